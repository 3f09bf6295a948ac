"""`lunar-bench coverage`: whether expected errors are the real ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_runtime.commands.options import PATH

from lunar_bench.commands.options import BUNDLE, SEED, echo_lines, finish, result_options

if TYPE_CHECKING:
    from lunar_calib.truth.known_pairs import KnownPair

_ERRING = click.option(
    "--erring",
    is_flag=True,
    help="Tell cameras, pose and altitude that err as told ones do, not the true ones.",
)


@click.group()
def coverage() -> None:
    """Measure how many real errors lie within the expected ones, told with rig and without."""


@coverage.command()
@click.argument("folder", type=PATH)
@_ERRING
@BUNDLE
@result_options
def stereolunar(
    folder: Path, erring: bool, bundle: Path | None, as_json: bool, save: Path | None
) -> None:
    """On the pairs of FOLDER, StereoLunar's scenes."""
    from lunar_calib.truth.known_pairs import stereolunar_pairs

    pairs = stereolunar_pairs(folder)
    _measure(bundle, pairs, "StereoLunar", erring=erring, as_json=as_json, save=save)


@coverage.command()
@click.argument("count", type=click.IntRange(1))
@click.option(
    "--size",
    type=click.IntRange(128, 1024),
    default=512,
    show_default=True,
    help="Side of the images, pixels.",
)
@SEED
@_ERRING
@BUNDLE
@result_options
def rendered(
    count: int,
    size: int,
    seed: int,
    erring: bool,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> None:
    """On COUNT rendered pairs: nadir, oblique and dynamic, clean and realistic."""
    from lunar_calib.truth.known_pairs import rendered_pairs

    pairs = rendered_pairs(count, size, seed)
    data = f"rendered, {size} px, seed {seed}"
    _measure(bundle, pairs, data, erring=erring, as_json=as_json, save=save)


def _measure(
    bundle: Path | None,
    pairs: Iterable[KnownPair],
    data: str,
    *,
    erring: bool,
    as_json: bool,
    save: Path | None,
) -> None:
    from lunar_bench.refinement.coverage import measure_coverage
    from lunar_bench.report import coverage_text

    echo_lines([coverage_text.HEADER], as_json=as_json)
    result = measure_coverage(
        bundle,
        pairs,
        data,
        tell=lambda pair: echo_lines(coverage_text.pair_lines(pair), as_json=as_json),
        erring=erring,
    )
    echo_lines(coverage_text.mean_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
