"""What the times of a landing's works keep."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.machine import Machine
from lunar_bench.record.times import Timing

#: Milliseconds that hazards with sites, and maps, may take on two cores at up to 512 x 512 px.
MOST_MS, _UP_TO_PX = 150.0, 512


class WorkTimes(Record, frozen=True):
    """One work on one pair.

    Attributes:
        pair: Its name.
        work: What was done.
        cells: Of the grid or of every map.
        wall: Wall times.
        cpu: Times of the process on all its cores: what other jobs disturb less.
    """

    pair: str
    work: str
    cells: int
    wall: Timing
    cpu: Timing


class LandingTimes(msgspec.Struct, frozen=True):
    """Times of all works on all pairs.

    Attributes:
        data: What pairs.
        size: Height and width.
        threads: Of OpenCV, and of the writers.
        works: In turn, pair by pair.
        machine: Where.
    """

    data: str
    size: tuple[int, int]
    threads: int
    works: list[WorkTimes]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether no work takes longer than it may, in its median; larger pairs may take longer."""
        return max(self.size) > _UP_TO_PX or all(
            work.wall.median_ms <= MOST_MS for work in self.works
        )
