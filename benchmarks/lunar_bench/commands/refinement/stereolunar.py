"""`lunar-bench refinement stereolunar`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, result_options
from lunar_bench.commands.refinement.pairs import measure_and_print


@click.command()
@click.argument("folder", type=PATH)
@click.option("--cross-sun", is_flag=True, help="Left and right under different suns.")
@BUNDLE
@result_options
def stereolunar(
    folder: Path, cross_sun: bool, bundle: Path | None, as_json: bool, save: Path | None
) -> None:
    """Every method on the pairs of FOLDER, StereoLunar's scenes."""
    from lunar_calib.truth.known_pairs import stereolunar_pairs

    pairs = stereolunar_pairs(folder, cross_sun=cross_sun)
    data = "StereoLunar, cross-sun" if cross_sun else "StereoLunar"
    measure_and_print(bundle, pairs, data, as_json=as_json, save=save)
