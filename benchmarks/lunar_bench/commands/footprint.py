"""`lunar-bench footprint`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_bench.commands.options import SAVE, save_result


@click.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True)
@SAVE
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, required=True)
def footprint(runs: int, save: Path | None, arguments: tuple[str, ...]) -> None:
    """Time and peak memory of `lunar-infer ARGUMENTS` (put `--` before them)."""
    from lunar_bench.cost.footprint import measure_footprint

    result = measure_footprint(list(arguments), runs)
    click.echo(
        f"{result.command}: {result.seconds:.3f} s, peak {result.peak_rss_mib:.0f} MiB "
        f"(median time, largest peak of {runs} runs)"
    )
    save_result(result, save)
