"""P(safe) against the truth, counted: reliability, ROC, and what is found at a false-safe rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Edges of the classes of P(safe) that a reliability table has.
RELIABILITY = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0)
_FINEST = 1e-4  # of 1 - P: beyond it all are alike
_STEPS = 400


class Tally:
    """Counts of places by P(safe), and by whether they are safe."""

    def __init__(self) -> None:
        half = np.geomspace(_FINEST, 0.5, _STEPS)
        self._edges = np.concatenate([[-1.0], half, 1 - half[-2::-1], [2.0]])
        self._safe = np.zeros(len(self._edges) - 1, np.int64)
        self._hazardous = np.zeros_like(self._safe)
        self._silent = 0
        self._reliable = np.zeros((len(RELIABILITY) - 1, 2), np.int64)

    def add(self, probability: NDArray[np.float32], safe: NDArray[np.bool_]) -> None:
        """Count places.

        Args:
            probability: P(safe); NaN = nothing is said.
            safe: Whether they are.
        """
        said = np.isfinite(probability)
        self._silent += int(np.count_nonzero(safe & ~said))
        for truth, counts in ((True, self._safe), (False, self._hazardous)):
            counts += np.histogram(probability[said & (safe == truth)], self._edges)[0]
        at = np.digitize(probability[said], RELIABILITY[1:-1])
        np.add.at(self._reliable, (at, safe[said].astype(np.intp)), 1)

    @property
    def places(self) -> int:
        """With a P(safe)."""
        return int(self._safe.sum() + self._hazardous.sum())

    def auc(self) -> float:
        """That a safe place has a larger P than a hazardous one, of those with a P."""
        below = np.cumsum(self._hazardous) - self._hazardous / 2
        pairs = int(self._safe.sum()) * int(self._hazardous.sum())
        return float(below @ self._safe / pairs) if pairs else float("nan")

    def found_at(self, false_safe: float) -> float:
        """Share of all safe places above the least P from which on so few are hazardous."""
        safe, hazardous = (np.cumsum(part[::-1]) for part in (self._safe, self._hazardous))
        holds = hazardous <= false_safe * np.maximum(safe + hazardous, 1)
        best = int(safe[holds].max(initial=0))
        return best / max(1, int(self._safe.sum()) + self._silent)

    def reliability(self) -> list[tuple[float, float, int, float]]:
        """Lowest and highest P, places, and the share of them that is safe."""
        rows = []
        for low, high, (bad, good) in zip(
            RELIABILITY[:-1], RELIABILITY[1:], self._reliable.tolist(), strict=True
        ):
            rows.append((low, high, bad + good, good / (bad + good) if bad + good else 0.0))
        return rows
