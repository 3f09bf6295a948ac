"""`lunar-bench monitors`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import FILE, PATH, threads
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import (
    BUNDLE,
    SEED,
    echo_lines,
    finish,
    progress,
    result_options,
)


@click.command()
@click.option(
    "--pairs", type=click.IntRange(1), default=2000, show_default=True, help="Rendered pairs."
)
@click.option("--data", type=PATH, help="Also every pair of this folder in StereoLunar's layout.")
@click.option(
    "--refined",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Of the rendered pairs, how many are refined too, with an altimeter.",
)
@click.option(
    "--damaged",
    type=click.IntRange(0),
    default=100,
    show_default=True,
    help="Of the rendered pairs, how many are damaged too.",
)
@click.option("--size", type=click.IntRange(64, 1024), default=256, show_default=True)
@click.option("--journal", type=FILE, help="Keep every pair here; a stopped campaign goes on.")
@SEED
@BUNDLE
@threads
@result_options
def monitors(
    pairs: int,
    data: Path | None,
    refined: int,
    damaged: int,
    size: int,
    journal: Path | None,
    seed: int,
    bundle: Path | None,
    threads: int | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """How often monitors trip on clean pairs, and how often on what they should see.

    Exit 5: a monitor tripped on more than 0.1 % of the clean pairs.
    """
    from lunar_bench.monitors.measure import MonitorOptions, measure_monitors, summary

    options = MonitorOptions(pairs, data, refined, damaged, size, seed, bundle, threads)
    result = measure_monitors(options, journal=journal, tell=progress("pairs"))
    echo_lines(summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
