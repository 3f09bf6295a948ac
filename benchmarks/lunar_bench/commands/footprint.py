"""`lunar-bench footprint`."""

from __future__ import annotations

from pathlib import Path

import click

from lunar_bench.commands.options import echo_lines, finish, result_options


@click.command()
@click.option("--runs", type=click.IntRange(1), default=3, show_default=True)
@result_options
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, required=True)
def footprint(runs: int, arguments: tuple[str, ...], as_json: bool, save: Path | None) -> None:
    """Time and peak memory of `lunar-infer ARGUMENTS` (put `--` before them)."""
    from lunar_bench.cost.footprint import measure_footprint

    result = measure_footprint(list(arguments), runs)
    line = (
        f"{result.command}: {result.seconds:.3f} s, peak {result.peak_rss_mib:.0f} MiB "
        f"(median time, largest peak of {runs} runs)"
    )
    echo_lines([line], as_json=as_json)
    finish(result, as_json=as_json, save=save)
