"""`lunar-bench precision`: what lower precisions do to slopes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.options import FILE

from lunar_bench.commands.options import echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_runtime.bundles.choices import OutputSet

    from lunar_bench.accuracy.precisions import Precisions


@click.command()
@click.argument("ckpt", type=FILE)
@click.option("--outputs", type=click.Choice(["left", "both"]), default="both", show_default=True)
@click.option("--size", type=click.IntRange(32), default=512, show_default=True)
@result_options
def precision(ckpt: Path, outputs: OutputSet, size: int, as_json: bool, save: Path | None) -> None:
    """Measure what FP16 and every way of INT8 do to the slopes of a checkpoint."""
    from lunar_bench.accuracy.precisions import measure_precisions

    result = measure_precisions(ckpt, outputs, size)
    echo_lines(_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)


def _lines(result: Precisions) -> Iterator[str]:
    yield (
        f"{result.student} {result.outputs}, {result.size} px, "
        f"{result.fp32_bytes / 1e6:.1f} MB in fp32"
    )
    for row in result.rows:
        misses = ", ".join(f"{100 * v:+.2f} at {k}" for k, v in row.miss_change.items())
        yield (
            f"{row.precision} {row.target:9} {row.method:18} {row.bytes / 1e6:6.1f} MB   slopes "
            f"shift {row.slope_shift_deg:.3f} deg, MAE {row.slope_mae_change_deg:+.3f}; miss "
            f"{misses} deg"
        )
