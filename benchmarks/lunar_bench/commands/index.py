"""`lunar-bench index`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import PATH, verbose


@click.command()
@click.argument("folder", type=PATH)
@click.option("--write", is_flag=True, help="Write it to FOLDER/README.md instead of printing it.")
@verbose
def index(folder: Path, write: bool) -> None:
    """List the results in FOLDER: what each is, its machine, commit and headline, as Markdown."""
    from lunar_runtime.files.atomic import atomic_path

    from lunar_bench.report.results_index import INDEX_NAME, render_index

    text = render_index(folder)
    if not write:
        click.echo(text, nl=False)
        return
    with atomic_path(folder / INDEX_NAME) as temporary:
        temporary.write_text(text, encoding="utf-8")
    click.echo(str(folder / INDEX_NAME))
