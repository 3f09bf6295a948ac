"""A campaign of fused views in lines."""

from __future__ import annotations

from collections.abc import Iterator

from lunar_bench.landing.fused_record import FusedRecord


def fused_lines(result: FusedRecord) -> Iterator[str]:
    """What a campaign found."""
    left_out = sum(one.left_out for one in result.descents)
    yield f"{result.data}: {left_out} pairs guessed or refused, left out"
    yield "views  shape m  slope deg  worst to single  false-safe  found  false sites"
    for step in result.steps:
        yield (
            f"{step.views:>5}  {step.shape_m:7.3f}  {step.slope_deg:9.2f}  "
            f"{step.worst_to_single:15.2f}  {step.false_safe:10.2%}  {step.found:5.0%}  "
            f"{step.false_sites} of {step.sites}"
        )
    flicker = result.flicker
    yield (
        f"first site changed {flicker.changes} times in {flicker.views} views, kept "
        f"{flicker.changes_kept}; the kept one is safe in {flicker.kept_safe:.0%}"
    )
