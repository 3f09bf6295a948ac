"""`lunar-bench refinement judgement`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, result_options


@click.command()
@click.argument("folder", type=PATH)
@click.option("--pairs", type=click.IntRange(min=4), default=12, show_default=True)
@SEED
@BUNDLE
@result_options
def judgement(
    folder: Path, pairs: int, seed: int, bundle: Path | None, as_json: bool, save: Path | None
) -> None:
    """Is there ground, the same ground? StereoLunar in FOLDER, rendered and foreign pairs."""
    from lunar_bench.refinement.judgement import measure_judgement

    result = measure_judgement(
        bundle, folder, pairs, seed, tell=lambda line: echo_lines([line], as_json=as_json)
    )
    finish(result, as_json=as_json, save=save)
