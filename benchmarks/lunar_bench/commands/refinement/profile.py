"""`lunar-bench refinement profile`."""

from __future__ import annotations

from pathlib import Path

import click
from lunar_runtime.commands.options import threads

from lunar_bench.commands.options import (
    BUNDLE,
    SEED,
    echo_lines,
    finish,
    result_options,
    sides,
)
from lunar_bench.commands.refinement.rendered import SIZE_PX


@click.command()
@click.argument("rounds", type=click.IntRange(1))
@click.option(
    "--sizes",
    metavar="PX,…",
    help="Time the refinement alone at these sizes, too: the same ground, one thread.",
)
@SEED
@threads
@BUNDLE
@result_options
def profile(
    rounds: int,
    sizes: str | None,
    seed: int,
    threads: int | None,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Time one rendered pair of 512 px in so many ROUNDS, then profile it once."""
    from lunar_calib.truth.known_pairs import rendered_pairs

    from lunar_bench.refinement.profile import profile_refinement
    from lunar_bench.report.refinement_text import profile_lines

    at = [] if sizes is None else sides(sizes, least=1)
    pair = next(rendered_pairs(1, SIZE_PX, seed))
    larger = [next(rendered_pairs(1, size, seed)) for size in at]
    result = profile_refinement(bundle, pair, rounds, threads, larger)
    echo_lines(profile_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
