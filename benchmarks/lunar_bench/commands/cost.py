"""`lunar-bench cost`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lunar_bench.commands.options import BUNDLES, echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_bench.cost.arithmetic.bundle_costs import BundleCosts


@click.command()
@BUNDLES
@result_options
def cost(bundles: tuple[Path, ...], as_json: bool, save: Path | None) -> None:
    """Arithmetic and bytes of BUNDLEs, from their graphs; nothing is run.

    A multiply-add counts two. Activations are what the operators read and write if none is fused.
    """
    from lunar_bench.cost.arithmetic.bundle_costs import read_costs

    result = read_costs(bundles)
    echo_lines(_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)


def _lines(result: BundleCosts) -> Iterator[str]:
    yield "| bundle | part | GFLOP | weights, MB | activations, MB |"
    yield "|---|---|---|---|---|"
    for bundle, parts in result.bundles.items():
        for name, part in parts.items():
            yield (
                f"| {bundle} | {name} | {part.gflop:.2f} | {part.weight_mb:.1f} | "
                f"{part.activation_mb:.0f} |"
            )
