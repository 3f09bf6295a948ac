"""`lunar-bench refinement apollo`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, result_options


@click.command()
@click.argument("folder", type=PATH)
@BUNDLE
@result_options
def apollo(folder: Path, bundle: Path | None, as_json: bool, save: Path | None) -> None:
    """Real film: the Apollo 15 frames 0297 and 0298 in FOLDER, against their archive's matches."""
    from lunar_bench.refinement.apollo import measure_apollo
    from lunar_bench.report.refinement_text import apollo_lines

    result = measure_apollo(bundle, folder)
    echo_lines(apollo_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
