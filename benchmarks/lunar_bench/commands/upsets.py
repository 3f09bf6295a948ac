"""`lunar-bench upsets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.options import FILE, PATH, threads
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import SEED, echo_lines, finish, progress, result_options

if TYPE_CHECKING:
    from lunar_bench.record.shares import Share
    from lunar_bench.upsets.record import UpsetsResult

_SITES = ("weights", "activations", "inputs", "outputs", "refinement")


@click.command()
@click.argument("bundle", type=PATH, required=False)
@click.option(
    "--flips", type=click.IntRange(1), default=1000, show_default=True, help="At each site."
)
@click.option(
    "--sites",
    type=click.Choice(_SITES),
    multiple=True,
    help="Where bits are flipped; repeatable.  [default: everywhere]",
)
@click.option(
    "--judged",
    type=click.IntRange(1),
    help="Of these, how many are worked out; guards of memory are asked about all.  [default: all]",
)
@click.option("--flip-seed", type=click.IntRange(0), default=1, show_default=True)
@click.option(
    "--pairs", type=click.IntRange(1), default=6, show_default=True, help="Rendered pairs."
)
@click.option(
    "--journal",
    type=FILE,
    help="Keep each flip's record in this file as it is made, and go on from there.",
)
@SEED
@threads
@result_options
def upsets(
    bundle: Path | None,
    flips: int,
    judged: int | None,
    sites: tuple[str, ...],
    flip_seed: int,
    pairs: int,
    journal: Path | None,
    seed: int,
    threads: int | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """Flip single bits, and count results that are unsafe, silent, unnoticed.

    BUNDLE is the one in the package unless it is given. A flip is unsafe if slopes move by more
    than 0.5 degrees in the mean, or a point more of the truly steep ground is called flatter;
    silent, if the result says nothing new; undetected, if no guard notices either. Exit 5: of the
    flips in weights 0.05 % or more are undetected.
    """
    from lunar_bench.upsets.measure import SITES, UpsetOptions, measure_upsets

    chosen = tuple(site for site in SITES if site in sites or not sites)
    options = UpsetOptions(bundle, flips, chosen, flip_seed, pairs, seed, threads, judged)
    result = measure_upsets(options, journal=journal, tell=progress("flips"))
    echo_lines(_summary(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code


def _summary(result: UpsetsResult) -> Iterator[str]:
    yield f"{'':<13}{'flips':>6}  {'unsafe':<26}{'silent':<26}undetected"
    for site, found in result.rates.items():
        words = "".join(
            f"{_share(one):<26}" for one in (found.unsafe, found.silent, found.undetected)
        )
        yield f"{site:<13}{found.unsafe.of:>6}  {words}".rstrip()
        words = "".join(
            f"{_share(one):<26}"
            for one in (found.refined_unsafe, found.refined_silent, found.refined_undetected)
        )
        yield f"{'  refined':<21}{words}".rstrip()
        for name, share in found.noticed.items():
            if share.of:
                yield f"  {name} notices {share.count} of {share.of} unsafe ones"
    for name, share in result.noticed.items():
        yield f"{name}: notice {_share(share)} of {share.of} flips"
    for what, one in (("silent", result.worst_silent), ("undetected", result.worst_undetected)):
        if one is not None:
            yield f"worst {what}: {one.flip.where}, element {one.flip.element}, bit {one.flip.bit}"
    if result.rounding_deg is not None:
        yield f"one grey level in one pixel moves slopes by {result.rounding_deg:.2g} degrees"
    yield f"check {result.check_ms:.2f} ms of {result.pair_ms:.1f} ms a pair, one thread"


def _share(share: Share) -> str:
    return f"{share.count} ({share.low:.2%} to {share.high:.2%})"
