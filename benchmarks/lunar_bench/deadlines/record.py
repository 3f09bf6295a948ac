"""What a campaign of deadlines found."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine


class JournalHead(Record, frozen=True):
    """What the answers of a journal rest on.

    Attributes:
        bundle_digest: SHA-256 of its manifest.
        size_px: Side of the pairs.
        seed: Of the pairs.
        scenes: Different pairs, which take turns.
        threads: Of the runtime.
        burners: Processes that compute beside it.
    """

    bundle_digest: str
    size_px: int
    seed: int
    scenes: int
    threads: int
    burners: int


class Answer(Identified, frozen=True):
    """What one pair was answered with.

    Attributes:
        deadline_ms: From the call to the result.
        took_ms: Measured around the call.
        rung: Its name, with the step where that is not 1; None = an error.
        given_up: Whether a rung was begun and given up.
        age_s: Of an earlier result that was given; None = it was none.
    """

    deadline_ms: float
    took_ms: float
    rung: str | None
    given_up: bool
    age_s: float | None


class RungAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How good one rung is, on pairs with truth.

    Attributes:
        rung: Its name, with the step where that is not 1.
        pairs: That it answered.
        refused: That it did not, as where the images do not refine.
        measured: Of those answered, how many it calls measured.
        absrel_median: Relative error of depth, in the median pair; None = none was scored.
        slope_mae_deg: Of slopes, in the median pair.
        miss: Degrees -> share of the hazards that is called safe, mean of the pairs.
        took_ms: Of the rung alone, with the network where it runs: median.
    """

    rung: str
    pairs: int
    refused: int
    measured: int
    absrel_median: float | None
    slope_mae_deg: float | None
    miss: dict[str, float]
    took_ms: float


class DeadlineRow(msgspec.Struct, frozen=True, kw_only=True):
    """Pairs that were given one deadline.

    Attributes:
        deadline_ms: From the call to the result.
        pairs: How many.
        met: How many were answered in time; an error is no answer.
        late_ms: 50th, 95th and 100th percentile of what the others were late by; empty if none was.
        took_ms: 50th, 95th, 99th and 100th percentile of all.
        flown: Rung -> pairs.
        given_up: Pairs of which a rung was begun and given up.
        nothing: Pairs without any answer: an error.
        median_age_s: Of the earlier results that were given; None = none was.
    """

    deadline_ms: float
    pairs: int
    met: int
    late_ms: list[float]
    took_ms: list[float]
    flown: dict[str, int]
    given_up: int
    nothing: int
    median_age_s: float | None


class GrowthRow(msgspec.Struct, frozen=True, kw_only=True):
    """Memory over pairs that were run one after the other.

    Attributes:
        refine: `off` or `auto`.
        pairs: How many, after those that warm up.
        size_px: Their side.
        first_mib: Resident memory after the first.
        last_mib: After the last.
        most_mib: The largest after any.
        kib_per_pair: Theil-Sen slope.
        kib_per_pair_range: Its 95 % interval; None = too few pairs.
        stack_kib: The most that any thread ever used of its stack; None = the system does not tell.
        stacks: Threads that were looked at.
    """

    refine: str
    pairs: int
    size_px: int
    first_mib: float
    last_mib: float
    most_mib: float
    kib_per_pair: float
    kib_per_pair_range: tuple[float, float] | None
    stack_kib: int | None = None
    stacks: int = 0


class DeadlinesResult(msgspec.Struct, frozen=True, kw_only=True):
    """See the module.

    Attributes:
        bundle_digest: SHA-256 of its manifest.
        size_px: Side of the pairs.
        seed: Of the pairs.
        scenes: Different pairs, which took turns.
        threads: Of the runtime.
        burners: Processes that computed beside it.
        learning_s: What learning the costs took.
        rows: Per deadline.
        rungs: Accuracy of each.
        growth: Of memory; empty if not asked for.
        machine: Where.
    """

    bundle_digest: str
    size_px: int
    seed: int
    scenes: int
    threads: int
    burners: int
    learning_s: float
    rows: list[DeadlineRow]
    rungs: list[RungAccuracy]
    growth: list[GrowthRow]
    machine: Machine
