"""`lunar-bench report`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.command_line import echo
from lunar_runtime.commands.options import PATH, overwrite, verbose


@click.command()
@click.argument("result", type=PATH)
@click.option("--out", type=PATH, required=True, help="Folder to make.")
@overwrite("the report that is there")
@verbose
def report(result: Path, out: Path, overwrite: bool) -> None:
    """Make tables, plots and HTML page of RESULT (a result.json), on any machine.

    A board need not have matplotlib: measure there, report here.
    """
    from lunar_bench.record.run_file import read_run
    from lunar_bench.report.folder import write_report

    missing = write_report(read_run(result), out, overwrite=overwrite)
    if missing:
        echo(f"lunar-bench: {missing}", err=True)
    echo(str(out))
