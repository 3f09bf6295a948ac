"""A landing campaign in lines."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.landing.record import LandingRecord


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
    yield "P(safe)        places  truly safe"
    for row in result.reliability:
        yield f"{row.low:.2f} to {row.high:.2f} {row.places:>8}  {row.safe:.3f}"
    yield "method          AUC   safe ground found at 1 % false"
    for method in result.methods:
        yield f"{method.method:<14} {method.auc:.3f}  {method.found_at_1pct:.0%}"
