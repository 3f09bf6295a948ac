"""An altimeter's heights, and what it would have said between two of them."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from dataclasses import dataclass, field


@dataclass
class Heights:
    """Heights over time.

    Attributes:
        longest_s: No height is made up across a longer gap.
        told: Seconds and metres, rising in time.
    """

    longest_s: float = 1.0
    told: list[tuple[float, float]] = field(default_factory=list)

    def add(self, time_s: float, height_m: float) -> None:
        """Note a height; they may come late. One that is no height is left out."""
        if math.isfinite(height_m) and height_m > 0:
            insort(self.told, (time_s, height_m))

    def at(self, time_s: float) -> float | None:
        """The height at a time, between its neighbours; None outside, or in a gap."""
        after = bisect_left(self.told, (time_s, 0.0))
        near = self.told[max(0, after - 1) : after + 1]
        if len(near) == 2 and near[1][0] - near[0][0] <= self.longest_s:
            (start, a), (end, b) = near
            return a + (b - a) * (time_s - start) / (end - start) if end > start else a
        exact = [height for time, height in self.told[after : after + 1] if time == time_s]
        return exact[0] if exact else None

    def forget(self, before_s: float) -> None:
        """Let go of what was told before a time."""
        del self.told[: bisect_left(self.told, (before_s, 0.0))]
