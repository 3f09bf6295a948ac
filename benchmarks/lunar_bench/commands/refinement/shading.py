"""`lunar-bench refinement shading`."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, result_options


@click.command()
@click.argument("folder", type=PATH)
@click.option("--rendered", type=click.IntRange(min=0), default=10, show_default=True)
@SEED
@BUNDLE
@result_options
def shading(
    folder: Path, rendered: int, seed: int, bundle: Path | None, as_json: bool, save: Path | None
) -> None:
    """What brightness adds, arm by arm: StereoLunar's pairs in FOLDER, and rendered ones."""
    from lunar_calib.truth.known_pairs import stereolunar_pairs

    from lunar_bench.refinement.shading import measure_shading, shaded_pairs
    from lunar_bench.report.refinement_text import (
        group_lines,
        ratio_lines,
        rough_lines,
        shaded_line,
    )

    result = measure_shading(
        bundle,
        chain(stereolunar_pairs(folder), shaded_pairs(rendered, seed)),
        f"StereoLunar and {rendered} rendered pairs from seed {seed}, half of them with albedo",
        tell=lambda pair: echo_lines([shaded_line(pair)], as_json=as_json),
    )
    lines = [*ratio_lines(result), *rough_lines(result), *group_lines(result)]
    echo_lines(lines, as_json=as_json)
    finish(result, as_json=as_json, save=save)
