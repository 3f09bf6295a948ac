"""A landing campaign in lines."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from lunar_bench.landing.record import LandingRecord
from lunar_bench.landing.times_record import LandingTimes


def landing_lines(result: LandingRecord) -> Iterator[str]:
    """What a campaign found."""
    verdicts = [case.verdict for case in result.cases]
    counts = ", ".join(
        f"{verdicts.count(verdict)} {verdict}" for verdict in ("measured", "guessed", "refused")
    )
    yield f"{result.data}: {counts}"
    yield (
        f"sites: {result.false_sites} of {result.sites} hazardous "
        f"(95 %: below {result.false_sites_most:.1%})"
    )
    yield (
        f"places: of those called safe {result.false_safe:.2%} are hazardous; of the safe ones "
        f"{result.found:.0%} are found"
    )
    yield "P(safe)          places    mean  truly safe  pairs, with a hazardous place"
    for row in result.reliability:
        yield (
            f"{row.low:.3f} to {row.high:.3f} {row.places:>7}  {row.mean:.4f}      {row.safe:.4f}  "
            f"{row.pairs}, {row.wrong_pairs}"
        )
    yield "method          AUC   at 1 % false  at the vehicle's threshold: found, hazardous  sites"
    for method in result.methods:
        yield (
            f"{method.method:<14} {method.auc:.3f}  {method.found_at_1pct:>5.0%} found   "
            f"{method.found:>4.0%}, {method.false_safe:>5.1%} of it            "
            f"{method.false_sites} of {method.sites} hazardous "
            f"(below {method.false_sites_most:.1%})"
        )
    times = [case.landing_ms for case in result.cases if case.landing_ms is not None]
    if times:
        yield f"grid, hazards and sites: median {statistics.median(times):.0f} ms"


def times_lines(result: LandingTimes) -> Iterator[str]:
    """Wall and processor times of every work on every pair."""
    yield f"{result.data}, {result.threads} threads, milliseconds: median (quartiles)"
    for work in result.works:
        wall, cpu = work.wall, work.cpu
        yield (
            f"{work.pair:<16} {work.work:<23} {work.cells / 1000:>5.0f} thousand cells  wall "
            f"{wall.median_ms:.0f} ({wall.quartiles_ms[0]:.0f}, {wall.quartiles_ms[1]:.0f})  "
            f"processor {cpu.median_ms:.0f} ({cpu.quartiles_ms[0]:.0f}, {cpu.quartiles_ms[1]:.0f})"
        )
