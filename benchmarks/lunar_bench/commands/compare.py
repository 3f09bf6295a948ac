"""`lunar-bench compare`."""

from __future__ import annotations

from pathlib import Path

import click

_REGRESSED = 6


@click.command()
@click.argument("before", type=click.Path(path_type=Path), metavar="A.json")
@click.argument("after", type=click.Path(path_type=Path), metavar="B.json")
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
def compare(before: Path, after: Path, alpha: float, tolerance: float) -> int:
    """Say what got slower or larger from run A to run B.

    A time is a regression if it grew by more than the tolerance and Mann-Whitney's test, adjusted
    by Holm for the number of tests, calls it significant; memory, a single figure, if it grew by
    more than the tolerance.

    Exit codes: 0 no regression, 2 wrong usage, 3 not results of lunar-bench run, or nothing in
    common, 6 a regression.
    """
    from lunar_bench.record.run_record import read_run
    from lunar_bench.report.regressions import compare_runs, describe

    found = compare_runs(read_run(before), read_run(after), alpha=alpha, tolerance=tolerance)
    click.echo(describe(found), nl=False)
    return _REGRESSED if found.regressed else 0
