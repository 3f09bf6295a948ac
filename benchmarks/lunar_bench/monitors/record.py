"""What a campaign of monitors keeps."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine
from lunar_bench.record.shares import Share

#: What must hold: of clean pairs, those on which a monitor tripped.
MOST_FALSE = 0.001


class JournalHead(Record, frozen=True):
    """What the records of a journal rest on.

    Attributes:
        bundle_digest: Of the network's bundle.
        size_px: Side of the rendered pairs.
        seed: Of the pairs.
    """

    bundle_digest: str
    size_px: int
    seed: int


class Tripped(Record, frozen=True):
    """A monitor that saw something.

    Attributes:
        monitor: Its name.
        saw: What it saw, in words.
    """

    monitor: str
    saw: str


class PairRecord(Identified, frozen=True):
    """One clean pair, and what monitors said of it as it is and damaged.

    Attributes:
        id: `rendered-17`, or the name of a published pair.
        clean: Monitors that tripped on the network's word alone; nothing may.
        refused: Why the pair has no result without refinement, in words; None = it has one.
        refined: The same of the refined pair with its altimeter; None = it was not refined.
        metres: Whether the refined result had metres, so that the altimeter was compared.
        damaged: Damage -> whether the monitor that should see it did.
    """

    clean: list[Tripped]
    refused: str | None
    refined: list[Tripped] | None
    metres: bool
    damaged: dict[str, bool]


class FalseAlarm(Record, frozen=True):
    """A clean pair on which a monitor tripped.

    Attributes:
        pair: Its name.
        refined: Whether it was refined.
        monitor: The monitor's name.
        saw: What it saw.
    """

    pair: str
    refined: bool
    monitor: str
    saw: str


class MonitorsResult(msgspec.Struct, frozen=True, kw_only=True):
    """How often monitors are wrong and right.

    Attributes:
        bundle_digest: Of the network's bundle.
        size_px: Side of the rendered pairs.
        seed: Of the pairs.
        rendered: How many were rendered.
        published: How many are StereoLunar's.
        refused: Clean pairs without a result from the network alone.
        false_pairs: Clean pairs on which any monitor tripped, refined or not.
        false_alarms: Monitor -> pairs on which it tripped, of those that it looked at.
        detected: Damage -> pairs on which the monitor that should see it did.
        weight_mismatches: Times that the check of the weights saw other bytes; none was changed.
        tripped: Every false alarm.
        machine: Where.
    """

    bundle_digest: str
    size_px: int
    seed: int
    rendered: int
    published: int
    refused: Share
    false_pairs: Share
    false_alarms: dict[str, Share]
    detected: dict[str, Share]
    weight_mismatches: int
    tripped: list[FalseAlarm]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether monitors trip on clean pairs as seldom as they must."""
        return self.false_pairs.count <= MOST_FALSE * self.false_pairs.of
