"""`lunar-bench archive`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import click
from lunar_runtime.commands.options import PATH
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, result_options


@click.command()
@click.option("--pairs", type=click.IntRange(1), default=100, show_default=True)
@click.option(
    "--distinct",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="So many are rendered; the list repeats them.",
)
@click.option("--size", "size_px", type=click.IntRange(32), default=256, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1),
    multiple=True,
    default=(1, 2),
    show_default=True,
    help="Of one thread each; may be given again, and they take turns.",
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--kills",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Workers that every run loses to SIGKILL.",
)
@click.option(
    "--refine",
    type=click.Choice(["auto", "off"]),
    default="auto",
    show_default=True,
    help="As of lunar-infer.",
)
@click.option("--work", type=PATH, help="Folder for results meanwhile.  [default: temporary]")
@SEED
@BUNDLE
@result_options
def archive(
    pairs: int,
    distinct: int,
    size_px: int,
    workers: tuple[int, ...],
    rounds: int,
    kills: int,
    refine: Literal["auto", "off"],
    work: Path | None,
    seed: int,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """How much faster more workers infer a list of pairs, and whether every pair ends whole.

    Exit 5: a run failed, or a pair has no whole result.
    """
    from lunar_bench.archives.measure import measure_archive, summary

    result = measure_archive(
        pairs,
        distinct,
        size_px,
        workers,
        rounds=rounds,
        kills=kills,
        refine=refine,
        seed=seed,
        bundle=bundle,
        work=work,
        tell=logging.getLogger(__name__).info,
    )
    echo_lines(summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
