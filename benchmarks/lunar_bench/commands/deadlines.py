"""`lunar-bench deadlines`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import FILE, threads

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, result_options

_DEADLINES_MS = (100.0, 200.0, 300.0, 500.0, 700.0, 1000.0, 1500.0, 2000.0)


@click.command()
@click.option(
    "--pairs",
    type=click.IntRange(0),
    default=500,
    show_default=True,
    help="Of each; 0 with --growth watches memory alone.",
)
@click.option(
    "--deadline-ms",
    "deadlines_ms",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    default=_DEADLINES_MS,
    show_default=True,
    help="May be given again.",
)
@click.option(
    "--load",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Processes that compute half of the time beside it.",
)
@click.option("--scenes", type=click.IntRange(1), default=12, show_default=True)
@click.option("--size", type=click.IntRange(64, 1024), default=512, show_default=True)
@click.option(
    "--growth",
    type=click.IntRange(0),
    nargs=2,
    default=(0, 0),
    metavar="UNREFINED REFINED",
    help="Also run so many small pairs and watch the process's memory.  [default: none]",
)
@click.option("--journal", type=FILE, help="Keep every answer here; a stopped campaign goes on.")
@SEED
@BUNDLE
@threads
@result_options
def deadlines(
    pairs: int,
    deadlines_ms: tuple[float, ...],
    load: int,
    scenes: int,
    size: int,
    growth: tuple[int, int],
    journal: Path | None,
    seed: int,
    bundle: Path | None,
    threads: int | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Share of pairs that are answered in time, and how accurate every rung of the ladder is.

    Rendered pairs with told cameras; see docs/guides/flight.md.
    """
    import logging

    from lunar_runtime.errors import UsageError

    from lunar_bench.deadlines.measure import measure_deadlines, summary

    if 1 in growth:
        raise UsageError("`growth` over 1 pair is none; give 0, or 2 and more")
    if not pairs and not any(growth):
        raise UsageError("`pairs` 0 leaves nothing to do; give `growth`")
    result = measure_deadlines(
        bundle,
        deadlines_ms,
        pairs,
        scenes=scenes,
        size_px=size,
        seed=seed,
        threads=threads,
        load=load,
        growth=growth,
        journal=journal,
        tell=logging.getLogger(__name__).info,
    )
    echo_lines(summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
