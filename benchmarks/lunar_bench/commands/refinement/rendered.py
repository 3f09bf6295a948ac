"""`lunar-bench refinement rendered`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_bench.commands.options import BUNDLE, SEED, result_options
from lunar_bench.commands.refinement.pairs import measure_and_print

#: Side of the images that are rendered here, pixels.
SIZE_PX = 512


@click.command()
@click.argument("count", type=click.IntRange(1))
@SEED
@BUNDLE
@result_options
def rendered(count: int, seed: int, bundle: Path | None, as_json: bool, save: Path | None) -> None:
    """Every method on COUNT rendered pairs of 512 px."""
    from lunar_calib.truth.known_pairs import rendered_pairs

    pairs = rendered_pairs(count, SIZE_PX, seed)
    measure_and_print(bundle, pairs, "rendered", as_json=as_json, save=save)
