"""`lunar-bench report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--overwrite", is_flag=True, help="Replace the report that is there.")
def report(result: Path, out: Path, overwrite: bool) -> None:
    """Make tables, plots and HTML page of RESULT (a result.json), on any machine.

    A board need not have matplotlib: measure there, report here.
    """
    from lunar_bench.record.run_record import read_run
    from lunar_bench.report.report_files import write_report

    missing = write_report(read_run(result), out, overwrite=overwrite)
    if missing:
        click.echo(f"lunar-bench: {missing}", err=True)
    click.echo(str(out))
