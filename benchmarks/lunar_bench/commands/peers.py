"""`lunar-bench peers`."""

from __future__ import annotations

import itertools
from pathlib import Path

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, result_options, sides

_THREADS = click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
_ROUNDS = click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="Timed, in turn."
)


@click.group()
def peers() -> None:
    """Compare with what a user would pick instead: OpenCV's SGBM and DIS, told pose and plane."""


@peers.command()
@click.argument("folder", type=PATH)
@click.option("--pairs", "count", type=click.IntRange(1), help="At most.  [default: all]")
@_ROUNDS
@_THREADS
@BUNDLE
@result_options
def accuracy(
    folder: Path,
    count: int | None,
    rounds: int,
    threads: int,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Error, coverage, time ratio and memory on the pairs of FOLDER, StereoLunar's scenes."""
    from lunar_calib.truth.known_pairs import stereolunar_pairs

    from lunar_bench.peers.alone import peak_rss_mib
    from lunar_bench.peers.compare import compare_peers
    from lunar_bench.report.peers_text import peer_lines

    result = compare_peers(
        itertools.islice(stereolunar_pairs(folder), count),
        "StereoLunar",
        bundle=bundle,
        threads=threads,
        rounds=rounds,
        peak_rss_mib=lambda name: peak_rss_mib(name, folder, threads, bundle),
        tell=lambda pair: echo_lines([pair.name], as_json=as_json),
    )
    echo_lines(peer_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)


@peers.command()
@click.argument("folder", type=PATH, required=False)
@click.option(
    "--sizes", default="256,512,1024,2048", show_default=True, help="Sides in pixels, by comma."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of a rendered pair.")
@_ROUNDS
@_THREADS
@BUNDLE
@result_options
def growth(
    folder: Path | None,
    sizes: str,
    seed: int,
    rounds: int,
    threads: int,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """Time by image size, on a pair that is enlarged or reduced.

    It is the first of FOLDER, or one that is rendered at the largest size: images that are
    enlarged hold less than their pixels, and ours may not refine them.
    """
    from lunar_calib.truth.known_pairs import rendered_pairs, stereolunar_pairs

    from lunar_bench.peers.growth import measure_growth
    from lunar_bench.report.peers_text import growth_lines

    at = sides(sizes, least=2)
    found = rendered_pairs(1, max(at), seed) if folder is None else stereolunar_pairs(folder)
    pair = next(iter(found))
    result = measure_growth(pair, at, bundle=bundle, threads=threads, rounds=rounds)
    echo_lines(growth_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
