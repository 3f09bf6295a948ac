"""What a campaign of flipped bits keeps."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine
from lunar_bench.record.shares import Share
from lunar_bench.upsets.flip import Flip

#: A flip is unsafe beyond one of these, and what rounding alone does.
MOVED_DEG = 0.5  # mean change of the slopes
MORE_MISSED = 0.01  # of the ground truly steep, called flatter
HAZARDS_DEG = (10.0, 15.0)
#: The guard that runs another pair: it is asked about flips that do harm.
GOLDEN = "golden"
#: What must hold: of flips, those unsafe that nothing noticed.
MOST_UNDETECTED = 0.0005


_QUIET = 0.1  # of the limits: what a group may do whose flips count as harmless


class Harm(Record, frozen=True):
    """What a flip did to one way of working out a pair.

    Attributes:
        moved_deg: Mean change of the slope of a pixel; None where there is no result.
        more_missed: Largest increase, over the hazards' slopes, of the share of truly steep ground
            that is called flatter; None where there is no result.
        lost: Share of the pixels with a slope that lost it.
        said: What the runtime says that it does not say of the pair as it is: warnings, reasons, an
            error.
        rounding_deg: As `moved_deg`, of the pair with one grey level more in one pixel: rounding to
            8 bits makes much of nothing.
        rounding_missed: As `more_missed`, of the same.
    """

    moved_deg: float | None
    more_missed: float | None
    lost: float
    said: list[str]
    rounding_deg: float = 0.0
    rounding_missed: float = 0.0

    @property
    def unsafe(self) -> bool:
        """Whether slopes moved, or hazards are missed, beyond the limits."""
        moved, missed = self.moved_deg or 0.0, self.more_missed or 0.0
        return moved > MOVED_DEG + self.rounding_deg or missed >= MORE_MISSED + self.rounding_missed

    @property
    def quiet(self) -> bool:
        """Whether nothing happened, not even a tenth of what is unsafe, and nothing was said."""
        return (
            not self.said
            and self.moved_deg is not None
            and self.more_missed is not None
            and self.moved_deg <= _QUIET * MOVED_DEG + self.rounding_deg
            and abs(self.more_missed) <= _QUIET * MORE_MISSED + self.rounding_missed
            and self.lost == 0
        )

    @property
    def failed(self) -> bool:
        """Whether the network gave nothing."""
        return any(text.startswith("BackendError") for text in self.said)

    @property
    def silent(self) -> bool:
        """Whether the result is unsafe and says nothing."""
        return self.unsafe and not self.said


class JournalHead(Record, frozen=True):
    """What the records of a journal rest on.

    Attributes:
        model_sha256: Of the network's ONNX file.
        pairs: How many are rendered.
        pairs_seed: Of the pairs.
        seed: Of the flips.
    """

    model_sha256: str
    pairs: int
    pairs_seed: int
    seed: int


class UpsetRecord(Identified, frozen=True):
    """A flip and its consequences.

    Attributes:
        flip: The flip.
        group: How many flips were tried together; `harm` is then that of all of them.
        harm: Without refinement, or of a flip in the refinement's arrays with it.
        refined: With refinement; None where it was not tried, as of flips that do no harm.
        guards: Which of the guards notice it: `sums` and `range` of weights, `bounds` of
            activations, `golden`.
    """

    flip: Flip
    group: int
    harm: Harm
    refined: Harm | None
    guards: list[str]


class Rates(Record, frozen=True):
    """What became of some flips.

    Attributes:
        unsafe: Unsafe results.
        silent: Unsafe results of which the runtime says nothing.
        undetected: Silent, and no guard notices.
        refined_unsafe: The same of refined results; flips that do no harm unrefined count as safe.
        refined_silent: The same.
        refined_undetected: The same.
        noticed: Guard -> how many it notices of the flips that are unsafe.
    """

    unsafe: Share
    silent: Share
    undetected: Share
    refined_unsafe: Share
    refined_silent: Share
    refined_undetected: Share
    noticed: dict[str, Share]


class UpsetsResult(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign.

    Attributes:
        model_sha256: Of the network's ONNX file.
        student: Its name.
        precision: Of the weights.
        size_px: Rows and columns of the input.
        pairs: Names of the pairs.
        seed: Of the flips.
        flips: How many were worked out, of all sites.
        noticed: Site and guard, as in `weights sums` -> flips that the guard notices, of all that
            were drawn, those too that were not worked out.
        rates: Site -> rates; `all` is every site.
        by_bit: Site and type, as in `weights float32` -> bit -> rates.
        by_layer: Site -> the first parts of a tensor's name -> rates.
        rounding_deg: Mean change of slopes by one grey level in one pixel, the largest of all
            pairs; null in records from before it was looked at.
        check_ms: How long the check of all weights takes after a pair.
        pair_ms: How long the network takes for a pair, on one thread.
        worst_silent: The unsafe flip that was noticed by nobody but guards, or by nobody, and
            misses most; None where there is none.
        worst_undetected: The same of flips that no guard notices either.
        records: Of every flip that moved slopes or made something speak.
        machine: Where.
    """

    model_sha256: str
    student: str
    precision: str
    size_px: tuple[int, int]
    pairs: list[str]
    seed: int
    flips: int
    noticed: dict[str, Share]
    rates: dict[str, Rates]
    by_bit: dict[str, dict[str, Rates]]
    by_layer: dict[str, dict[str, Rates]]
    rounding_deg: float | None = None
    check_ms: float
    pair_ms: float
    worst_silent: UpsetRecord | None
    worst_undetected: UpsetRecord | None
    records: list[UpsetRecord]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether what must hold does, of the network's weights."""
        found = self.rates.get("weights")
        return found is None or found.undetected.count <= MOST_UNDETECTED * found.undetected.of
