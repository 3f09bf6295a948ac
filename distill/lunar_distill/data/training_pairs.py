"""Pairs to train on, whatever their source: by number, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lunar_distill.data.batch import Batch, join


class TrainingPairs(Protocol):
    """Square pairs of one size, by number."""

    @property
    def size_px(self) -> int:
        """Side of the images."""
        ...

    def __len__(self) -> int: ...

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        ...


class JoinedPairs:
    """Several sources, one after the other."""

    def __init__(self, parts: Sequence[TrainingPairs]) -> None:
        self.parts = list(parts)
        self.size_px = parts[0].size_px
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def batch(self, numbers: NDArray[np.int64], rng: np.random.Generator | None = None) -> Batch:
        """The pairs of these numbers; changed at random where a generator is given."""
        batches = []
        for number in numbers:
            part = int(np.searchsorted(self._ends, number, side="right"))
            before = int(self._ends[part - 1]) if part else 0
            batches.append(self.parts[part].batch(np.array([int(number) - before]), rng))
        return join(batches)
