"""P(safe) against the truth, counted: reliability, ROC, and what is found at a false-safe rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Edges of the classes of P(safe) that a reliability table has.
RELIABILITY = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
_FINEST = 1e-4  # of 1 - P: beyond it all are alike
_STEPS = 400


class Reliable(NamedTuple):
    """Places of one class of P(safe).

    Attributes:
        low: Its lowest P.
        high: Its highest P.
        places: So many.
        mean: P of theirs, the share that ought to be safe.
        safe: Share that is.
        pairs: That have such places.
        wrong_pairs: Of them, those with a hazardous one.
    """

    low: float
    high: float
    places: int
    mean: float
    safe: float
    pairs: int
    wrong_pairs: int


class Tally:
    """Counts of places by P(safe), and by whether they are safe."""

    def __init__(self) -> None:
        half = np.geomspace(_FINEST, 0.5, _STEPS)
        self._edges = np.concatenate([[-1.0], half, 1 - half[-2::-1], [2.0]])
        self._safe = np.zeros(len(self._edges) - 1, np.int64)
        self._hazardous = np.zeros_like(self._safe)
        self._silent = 0
        # Hazardous and safe places, sum of P, pairs, pairs with a hazardous place.
        self._reliable = np.zeros((len(RELIABILITY) - 1, 5), np.float64)

    def add(self, probability: NDArray[np.float32], safe: NDArray[np.bool_]) -> None:
        """Count the places of a pair.

        Args:
            probability: P(safe); NaN = nothing is said.
            safe: Whether they are.
        """
        said = np.isfinite(probability)
        self._silent += int(np.count_nonzero(safe & ~said))
        for truth, counts in ((True, self._safe), (False, self._hazardous)):
            counts += np.histogram(probability[said & (safe == truth)], self._edges)[0]
        at = np.digitize(probability[said], RELIABILITY[1:-1])
        counts = np.zeros((len(self._reliable), 2), np.int64)
        np.add.at(counts, (at, safe[said].astype(np.intp)), 1)
        self._reliable[:, :2] += counts
        self._reliable[:, 2] += np.bincount(at, probability[said], len(counts))
        self._reliable[:, 3] += counts.any(axis=1)
        self._reliable[:, 4] += counts[:, 0] > 0

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

    def reliability(self) -> list[Reliable]:
        """Every class of P(safe), the lowest first."""
        rows = []
        for low, high, (bad, good, total, pairs, wrong) in zip(
            RELIABILITY[:-1], RELIABILITY[1:], self._reliable.tolist(), strict=True
        ):
            places = int(bad + good)
            mean, share = (part / places if places else 0.0 for part in (total, good))
            rows.append(Reliable(low, high, places, mean, share, int(pairs), int(wrong)))
        return rows
