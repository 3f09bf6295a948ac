"""`lunar-bench compare`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import echo_lines, finish, result_options

_REGRESSED = 6


@click.command()
@click.argument("before", type=PATH, metavar="A.json")
@click.argument("after", type=PATH, metavar="B.json")
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.01,
    show_default=True,
    help="Significance, of all comparisons together.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.05,
    show_default=True,
    help="Growth that is no regression.",
)
@result_options
def compare(
    before: Path, after: Path, alpha: float, tolerance: float, as_json: bool, save: Path | None
) -> int:
    """Say what got slower or larger from run A to run B.

    A time is a regression if it grew by more than the tolerance and Mann-Whitney's test, adjusted
    by Holm for the number of tests, calls it significant; memory, a single figure, if it grew by
    more than the tolerance. Two runs at two times compare the minutes too; benchmarks/README.md
    says how two commits are measured in turn.

    Exit codes: 0 no regression, 2 wrong usage, 3 not results of lunar-bench run, or nothing in
    common, 6 a regression.
    """
    from lunar_bench.record.run_file import read_run
    from lunar_bench.report.regressions import change_lines, compare_runs

    found = compare_runs(read_run(before), read_run(after), alpha=alpha, tolerance=tolerance)
    echo_lines(change_lines(found), as_json=as_json)
    finish(found, as_json=as_json, save=save)
    return _REGRESSED if found.regressed else 0
