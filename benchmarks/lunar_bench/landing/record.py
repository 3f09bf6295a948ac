"""What the landing's campaign keeps."""

from __future__ import annotations

import msgspec
from lunar_runtime.landing.lander import Lander

from lunar_bench.landing.methods import Method
from lunar_bench.landing.tally import TallyCounts
from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine

#: What must hold: of the named sites, those that are hazardous.
MOST_FALSE_SITES = 0.01


class CaseRecord(Record, frozen=True):
    """One pair.

    Attributes:
        pair: Its name.
        verdict: `measured`, `guessed` or `refused`.
        reason: Why it is not measured; else None.
        sun_elevation_deg: None = not known.
        ground_px_m: Median distance of neighbouring pixels on the ground.
        cell_m: Of the grid.
        safe: Share of the tried places that is called safe.
        truly_safe: Share that is.
        false_safe: Of those called safe, the share that is hazardous.
        found: Of the truly safe, the share called safe.
        sites: Named.
        false_sites: Of them, hazardous.
        landing_ms: Wall time of grid, hazards and sites.
    """

    pair: str
    verdict: str
    reason: str | None
    sun_elevation_deg: float | None
    ground_px_m: float | None = None
    cell_m: float | None = None
    safe: float | None = None
    truly_safe: float | None = None
    false_safe: float | None = None
    found: float | None = None
    sites: int = 0
    false_sites: int = 0
    landing_ms: float | None = None


class MethodRecord(Record, frozen=True):
    """One method on all pairs that ours measured.

    Attributes:
        method: Which.
        places: With a P(safe).
        auc: That a safe place has a larger P than a hazardous one.
        found_at_1pct: Share of all safe places that it finds where 1 % of what it calls safe is
            hazardous, with the threshold that suits it best.
        false_safe: Of the places that it calls safe at the vehicle's threshold, the share that is
            hazardous.
        missed: Of all hazardous places with a P(safe), the share that it calls safe there.
        found: Of all safe places, the share that it calls safe there.
        sites: It names.
        false_sites: Of them, hazardous.
        false_sites_most: Upper end of the 95 % interval of their share (Wilson).
        roc: Shares of all hazardous and of all safe places above a P, from the largest P down.
    """

    method: Method
    places: int
    auc: float
    found_at_1pct: float
    false_safe: float
    missed: float
    found: float
    sites: int
    false_sites: int
    false_sites_most: float
    roc: list[tuple[float, float]]


class MethodCounts(Record, frozen=True):
    """One method on one pair.

    Attributes:
        method: Which.
        tally: Its places.
        sites: It names.
        false_sites: Of them, hazardous.
    """

    method: Method
    tally: TallyCounts
    sites: int
    false_sites: int


class CaseCounts(Identified, frozen=True):
    """One pair as the journal of a campaign keeps it.

    Attributes:
        case: What the record has of it.
        methods: Counts; none where the pair is not measured.
    """

    case: CaseRecord
    methods: list[MethodCounts]


class LandingHead(Record, frozen=True):
    """What a journal of landings rests on.

    Attributes:
        data: What pairs.
        lander: The vehicle of all; None = each pair has its own.
        attitude_sigma_deg: What up errs by.
        bundle_digest: SHA-256 of the network's manifest.
    """

    data: str
    lander: Lander | None
    attitude_sigma_deg: float
    bundle_digest: str


class ReliabilityRow(Record, frozen=True):
    """Places of ours by their P(safe).

    Attributes:
        low: The lowest P.
        high: The highest P.
        places: So many.
        mean: P of theirs, the share that ought to be safe.
        safe: Share that is.
        pairs: That have such places.
        wrong_pairs: Of them, those with a hazardous one: places of a pair err together.
    """

    low: float
    high: float
    places: int
    mean: float
    safe: float
    pairs: int
    wrong_pairs: int


class LandingRecord(msgspec.Struct, frozen=True):
    """A campaign.

    Attributes:
        data: What pairs.
        lander: The vehicle of all pairs; None = each has its own.
        attitude_sigma_deg: What up is told to err by about each axis, and does.
        bundle_digest: SHA-256 of the network's manifest.
        sites: Named on all pairs; as the other figures here of ours.
        false_sites: Of them, hazardous.
        false_sites_most: Upper end of the 95 % interval of their share (Wilson).
        false_safe: Of all places called safe, the share that is hazardous.
        found: Of the truly safe places of measured pairs, the share called safe.
        reliability: Of ours.
        methods: Ours first.
        cases: Every pair.
        machine: Where.
    """

    data: str
    lander: Lander | None
    attitude_sigma_deg: float
    bundle_digest: str
    sites: int
    false_sites: int
    false_sites_most: float
    false_safe: float
    found: float
    reliability: list[ReliabilityRow]
    methods: list[MethodRecord]
    cases: list[CaseRecord]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether few enough sites are hazardous."""
        return self.false_sites <= MOST_FALSE_SITES * self.sites
