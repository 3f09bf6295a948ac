"""`lunar-bench guards`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, progress, result_options


@click.command()
@click.option("--pairs", type=click.IntRange(1), default=6, show_default=True, help="Of each size.")
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Of every pair."
)
@click.option(
    "--size",
    "sizes",
    type=click.IntRange(64, 1024),
    multiple=True,
    default=(256, 512),
    show_default=True,
    help="Side of the images; several may be given.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@BUNDLE
@result_options
def guards(
    pairs: int,
    rounds: int,
    sizes: tuple[int, ...],
    threads: int,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """What the guards of a pair cost, of the processor's time of refined rendered pairs.

    Exit 5: all together 3 % or more.
    """
    from lunar_bench.monitors.cost import guard_lines, measure_guards

    result = measure_guards(
        bundle, pairs=pairs, rounds=rounds, sizes=sizes, threads=threads, tell=progress("sizes")
    )
    echo_lines(guard_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
