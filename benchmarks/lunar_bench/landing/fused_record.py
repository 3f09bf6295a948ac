"""What the campaign of fused views keeps."""

from __future__ import annotations

import msgspec
from lunar_runtime.fusion.posed_view import PoseSigma
from lunar_runtime.landing.lander import Lander

from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine

#: What must hold: the shape of the fused ground errs at most so much more than any single pair's.
MOST_WORSE = 1.05


class FusedStep(Record, frozen=True):
    """So many views of a descent, or of all: on the ground that the nearest pair sees.

    Attributes:
        views: That were fused, spread over the descent; the nearest is always one of them.
        shape_m: Robust deviation of the heights from the truth, less their plane: level and tilt
            are the poses', and of two that are told alike nobody knows which is right.
        slope_deg: Robust deviation of the footprint's slope.
        worst_to_single: Largest quotient of the shape's error to that of one of the pairs alone, on
            the cells that both know.
        expected_to_real: Quotient of the slope's expected error to its real one.
        safe: Places called safe.
        false_safe: Share of them that is hazardous.
        found: Of the truly safe, the share called safe.
        sites: Named.
        false_sites: Of them, hazardous.
        add_ms: Median time of a view; for one descent.
    """

    views: int
    shape_m: float
    slope_deg: float
    worst_to_single: float
    expected_to_real: float
    safe: int
    false_safe: float
    found: float
    sites: int
    false_sites: int
    add_ms: float | None = None


class FlickerRecord(Record, frozen=True):
    """How often the first site changes from view to view.

    Attributes:
        views: After the first with a site.
        changes: Where the best of each view is taken.
        changes_kept: With hysteresis.
        kept_safe: Of the views, the share whose kept site is truly safe.
    """

    views: int
    changes: int
    changes_kept: int
    kept_safe: float


class DescentRecord(Identified, frozen=True):
    """One descent.

    Attributes:
        id: Of its ground.
        pairs: Rendered.
        left_out: Of them, guessed or refused.
        steps: By the number of views.
        flicker: Of the chosen site.
        map_mb: Memory of the tiles at the end.
    """

    pairs: int
    left_out: int
    steps: list[FusedStep]
    flicker: FlickerRecord
    map_mb: float


class FusedHead(Record, frozen=True):
    """What a journal of descents rests on.

    Attributes:
        data: What descents.
        lander: The vehicle.
        sigma: Errors of the poses.
        bundle_digest: SHA-256 of the network's manifest.
    """

    data: str
    lander: Lander
    sigma: PoseSigma
    bundle_digest: str


class FusedRecord(msgspec.Struct, frozen=True):
    """A campaign.

    Attributes:
        data: What descents.
        lander: The vehicle.
        sigma: Errors of the poses.
        bundle_digest: SHA-256 of the network's manifest.
        steps: All descents together: geometric means of errors, sums of places.
        flicker: All descents together.
        descents: Each.
        machine: Where.
    """

    data: str
    lander: Lander
    sigma: PoseSigma
    bundle_digest: str
    steps: list[FusedStep]
    flicker: FlickerRecord
    descents: list[DescentRecord]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether more views err less, and never more than the best pair by over 5 %."""
        first, last = self.steps[0], self.steps[-1]
        better = last.shape_m < first.shape_m and last.false_safe <= first.false_safe
        return better and all(step.worst_to_single <= MOST_WORSE for step in self.steps)
