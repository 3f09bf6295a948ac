"""`lunar-bench precision`: what lower precisions do to slopes."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.bundles.choices import OutputSet

from lunar_bench.commands.options import SAVE, save_result


@click.command()
@click.argument("ckpt", type=click.Path(path_type=Path))
@click.option("--outputs", type=click.Choice(["left", "both"]), default="both", show_default=True)
@click.option("--size", type=click.IntRange(32), default=512, show_default=True)
@SAVE
def precision(ckpt: Path, outputs: OutputSet, size: int, save: Path | None) -> None:
    """Measure what FP16 and every way of INT8 do to the slopes of a checkpoint."""
    from lunar_bench.cost.precision import measure_precisions

    result = measure_precisions(ckpt, outputs, size)
    click.echo(f"{result.student} {outputs}, {size} px, {result.fp32_bytes / 1e6:.1f} MB in fp32")
    for row in result.rows:
        misses = ", ".join(f"{100 * v:+.2f} at {k}" for k, v in row.miss_change.items())
        click.echo(
            f"{row.precision} {row.target:9} {row.method:18} {row.bytes / 1e6:6.1f} MB   slopes "
            f"shift {row.slope_shift_deg:.3f} deg, MAE {row.slope_mae_change_deg:+.3f}; miss "
            f"{misses} deg"
        )
    save_result(result, save)
