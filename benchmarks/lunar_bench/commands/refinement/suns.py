"""`lunar-bench refinement suns`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, result_options


@click.command()
@click.argument("folder", type=PATH)
@BUNDLE
@result_options
def suns(folder: Path, bundle: Path | None, as_json: bool, save: Path | None) -> None:
    """What images under other suns add to the pairs of StereoLunar in FOLDER."""
    from lunar_bench.refinement.suns import measure_suns
    from lunar_bench.report.refinement_text import group_lines, ratio_lines, shaded_line

    result = measure_suns(
        bundle, folder, tell=lambda pair: echo_lines([shaded_line(pair)], as_json=as_json)
    )
    echo_lines([*ratio_lines(result), *group_lines(result)], as_json=as_json)
    finish(result, as_json=as_json, save=save)
