"""`lunar-bench schema`."""

from __future__ import annotations

import click


@click.command()
def schema() -> None:
    """Print the JSON schema of the result of `lunar-bench run`."""
    from lunar_bench.record.run_file import encode_schema

    click.echo(encode_schema().decode(), nl=False)
