"""`lunar-bench landing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from lunar_calib.choices import LANDING_KINDS, GeometryKind
from lunar_runtime.commands.options import FILE, PATH, threads
from lunar_runtime.errors import GateError

from lunar_bench.commands.options import BUNDLE, echo_lines, finish, plot, result_options

if TYPE_CHECKING:
    from lunar_bench.landing.record import LandingRecord


@click.group()
def landing() -> None:
    """Hold P(safe) and named sites against true ground. Exit 5: over 1 % of sites are hazardous."""


_attitude = click.option(
    "--attitude-sigma-deg",
    type=click.FloatRange(0, 30),
    default=0.1,
    show_default=True,
    help="What up is told to err by about each axis, and does.",
)
_journal = click.option(
    "--journal", type=FILE, help="Keep every pair here; a stopped campaign goes on."
)


@landing.command()
@click.option("--pairs", "count", type=click.IntRange(1), default=60, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=20000, show_default=True)
@click.option("--size", type=click.IntRange(64), default=512, show_default=True, help="Pixels.")
@click.option(
    "--kind",
    type=click.Choice([each.value for each in LANDING_KINDS]),
    default="landing",
    show_default=True,
    help="approach: 650 m to 3 km up, through a narrow camera.",
)
@_attitude
@_journal
@threads
@BUNDLE
@plot("ROC curves and reliability of P(safe)")
@result_options
def rendered(
    count: int,
    seed: int,
    size: int,
    kind: str,
    attitude_sigma_deg: float,
    journal: Path | None,
    threads: int | None,
    bundle: Path | None,
    plot: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """Rendered descents, 40 m to 3 km above boulders and craters, under three suns."""
    from lunar_bench.landing.cases import LANDER, planned_landings
    from lunar_bench.landing.measure import measure_landing

    chosen = GeometryKind(kind)
    what = {GeometryKind.LANDING: "landings", GeometryKind.APPROACH: "approaches"}[chosen]
    result = measure_landing(
        planned_landings(count, seed, size, kind=chosen, attitude_sigma_deg=attitude_sigma_deg),
        f"{count} rendered {what} of {size} px from {seed}",
        lander=LANDER,
        attitude_sigma_deg=attitude_sigma_deg,
        bundle=bundle,
        threads=threads,
        journal=journal,
    )
    return _tell(result, plot, as_json=as_json, save=save)


@landing.command()
@click.argument("folder", type=PATH)
@_attitude
@_journal
@threads
@BUNDLE
@plot("ROC curves and reliability of P(safe)")
@result_options
def stereolunar(
    folder: Path,
    attitude_sigma_deg: float,
    journal: Path | None,
    threads: int | None,
    bundle: Path | None,
    plot: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """StereoLunar's pairs at their own scale: vehicles of 5, 8 and 11 pixels."""
    from lunar_bench.landing.cases import planned, stereolunar_cases
    from lunar_bench.landing.measure import measure_landing

    result = measure_landing(
        planned(stereolunar_cases(folder, attitude_sigma_deg)),
        "StereoLunar",
        attitude_sigma_deg=attitude_sigma_deg,
        bundle=bundle,
        threads=threads,
        journal=journal,
    )
    return _tell(result, plot, as_json=as_json, save=save)


@landing.command()
@click.option("--pairs", "count", type=click.IntRange(1), default=3, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=15, show_default=True, help="Timed.")
@click.option("--seed", type=click.IntRange(0), default=20000, show_default=True)
@click.option("--size", type=click.IntRange(64), default=512, show_default=True, help="Pixels.")
@threads
@BUNDLE
@result_options
def times(
    count: int,
    rounds: int,
    seed: int,
    size: int,
    threads: int | None,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """Time hazards with sites, and maps, of rendered descents. Exit 5: a median over 150 ms."""
    from lunar_bench.landing.cases import rendered_cases
    from lunar_bench.landing.times import time_landings
    from lunar_bench.report.landing_text import times_lines

    data = f"{count} rendered landings of {size} px from {seed}"
    given = rendered_cases(count, seed, size)
    result = time_landings(given, data, rounds, bundle=bundle, threads=threads)
    echo_lines(times_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code


@landing.command()
@click.option("--descents", "count", type=click.IntRange(1), default=6, show_default=True)
@click.option("--views", type=click.IntRange(2), default=16, show_default=True, help="Of each.")
@click.option("--seed", type=click.IntRange(0), default=40000, show_default=True)
@click.option("--size", type=click.IntRange(64), default=512, show_default=True, help="Pixels.")
@click.option("--journal", type=FILE, help="Keep every descent here; a stopped campaign goes on.")
@threads
@BUNDLE
@result_options
def fused(
    count: int,
    views: int,
    seed: int,
    size: int,
    journal: Path | None,
    threads: int | None,
    bundle: Path | None,
    as_json: bool,
    save: Path | None,
) -> int:
    """Descents whose pairs are fused: error and false-safe by the number of views.

    Exit 5: 16 views err more than one, or more than the best of their pairs by over 5 %.
    """
    from lunar_bench.landing.fused_cases import descents
    from lunar_bench.landing.fused_measure import measure_fused
    from lunar_bench.report.fused_text import fused_lines

    data = f"{count} rendered descents of {views} pairs of {size} px from {seed}"
    given = descents(count, views, seed, size)
    result = measure_fused(given, data, bundle=bundle, threads=threads, journal=journal)
    echo_lines(fused_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code


def _tell(result: LandingRecord, plot: Path | None, *, as_json: bool, save: Path | None) -> int:
    from lunar_bench.report.landing_text import landing_lines

    if plot is not None:
        from lunar_bench.report.landing_plot import plot_landing

        plot_landing(result, plot)
    echo_lines(landing_lines(result), as_json=as_json)
    finish(result, as_json=as_json, save=save)
    return 0 if result.holds else GateError.exit_code
