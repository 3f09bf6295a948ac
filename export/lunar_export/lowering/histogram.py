"""How the values of one tensor are distributed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BINS = 4096


@dataclass
class Histogram:
    """Counts of values in `BINS` equal bins over [-limit, limit]; the limit grows by doubling."""

    limit: float = 0.0
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def add(self, values: NDArray[np.float32]) -> None:
        """Count finite values."""
        largest = float(np.max(np.abs(values), initial=0.0))
        if largest == 0.0 and self.limit == 0.0:
            self.counts[BINS // 2] += values.size
            return
        if self.limit == 0.0:
            self.limit = largest
        while largest > self.limit:
            merged = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.zeros(BINS, np.int64)
            self.counts[BINS // 4 : BINS // 4 + BINS // 2] = merged
            self.limit *= 2
        found, _ = np.histogram(values, BINS, (-self.limit, self.limit))
        self.counts += found

    def magnitudes(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Centres of the bins of |x|, and their counts."""
        half = BINS // 2
        centres = (np.arange(half, dtype=np.float64) + 0.5) * (self.limit / half)
        return centres, self.counts[half:] + self.counts[half - 1 :: -1]


@dataclass
class TensorRange:
    """What was seen of one tensor.

    Attributes:
        low: Smallest value.
        high: Largest value.
        histogram: None where only the extremes were asked for.
        channel_mean: (C,) mean per channel; None likewise.
    """

    low: float = np.inf
    high: float = -np.inf
    histogram: Histogram | None = None
    channel_mean: NDArray[np.float64] | None = None

    @property
    def peak(self) -> float:
        """Largest magnitude."""
        return max(abs(self.low), abs(self.high))
