"""P(safe) against the truth, counted: reliability, ROC, and what is found at a false-safe rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_bench.record.base import Record

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


class TallyCounts(Record, frozen=True):
    """What a tally has counted.

    Attributes:
        safe: Safe places by P.
        hazardous: Hazardous ones by P.
        silent: Safe places of which nothing is said.
        reliable: By class of P(safe): hazardous and safe places, sum of P, pairs, pairs with a
            hazardous place.
        called: Places from the vehicle's threshold on.
        wrong: Of them, hazardous.
    """

    safe: list[int]
    hazardous: list[int]
    silent: int
    reliable: list[list[float]]
    called: int
    wrong: int


class Tally:
    """Counts of places by P(safe), and by whether they are safe."""

    def __init__(self) -> None:
        half = np.geomspace(_FINEST, 0.5, _STEPS)
        self._edges = np.concatenate([[-1.0], half, 1 - half[-2::-1], [2.0]])
        self._safe = np.zeros(len(self._edges) - 1, np.int64)
        self._hazardous = np.zeros_like(self._safe)
        self._silent = 0
        self._called = self._wrong = 0
        self._reliable = np.zeros((len(RELIABILITY) - 1, 5), np.float64)

    def add(
        self, probability: NDArray[np.float32], safe: NDArray[np.bool_], threshold: float = 0.95
    ) -> None:
        """Count the places of a pair.

        Args:
            probability: P(safe); NaN = nothing is said.
            safe: Whether they are.
            threshold: From which on the vehicle calls a place safe.
        """
        with np.errstate(invalid="ignore"):
            called = probability >= np.float32(threshold)
        self._called += int(np.count_nonzero(called))
        self._wrong += int(np.count_nonzero(called & ~safe))
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

    def counts(self) -> TallyCounts:
        """What was counted so far."""
        return TallyCounts(
            safe=self._safe.tolist(),
            hazardous=self._hazardous.tolist(),
            silent=self._silent,
            reliable=self._reliable.tolist(),
            called=self._called,
            wrong=self._wrong,
        )

    def take(self, counts: TallyCounts) -> None:
        """Count what another tally has counted."""
        self._safe += np.array(counts.safe)
        self._hazardous += np.array(counts.hazardous)
        self._silent += counts.silent
        self._reliable += np.array(counts.reliable)
        self._called += counts.called
        self._wrong += counts.wrong

    @property
    def places(self) -> int:
        """With a P(safe)."""
        return int(self._safe.sum() + self._hazardous.sum())

    def auc(self) -> float:
        """That a safe place has a larger P than a hazardous one, of those with a P."""
        below = np.cumsum(self._hazardous) - self._hazardous / 2
        pairs = int(self._safe.sum()) * int(self._hazardous.sum())
        return float(below @ self._safe / pairs) if pairs else float("nan")

    @property
    def false_safe(self) -> float:
        """Of the places that are called safe, the share that is hazardous."""
        return self._wrong / max(1, self._called)

    @property
    def found(self) -> float:
        """Of all safe places, the share that is called safe."""
        return (self._called - self._wrong) / max(1, int(self._safe.sum()) + self._silent)

    @property
    def missed(self) -> float:
        """Of all hazardous places, the share that is called safe."""
        return self._wrong / max(1, int(self._hazardous.sum()))

    def roc(self, points: int = 60) -> list[tuple[float, float]]:
        """Hazardous and safe places above a P, as shares of all, from the largest P down.

        Args:
            points: So many at most. The last has all places of which something is said.
        """
        all_safe = max(1, int(self._safe.sum()) + self._silent)
        found, wrong = (
            np.append(0, np.cumsum(part[::-1])) / total
            for part, total in (
                (self._safe, all_safe),
                (self._hazardous, max(1, int(self._hazardous.sum()))),
            )
        )
        # As many where the curve rises as where it runs on.
        way = np.append(0, np.cumsum(np.hypot(np.diff(found), np.diff(wrong))))
        wanted = np.linspace(0, way[-1], points)
        at = np.unique(np.searchsorted(way, wanted, side="left").clip(max=len(way) - 1))
        return [(float(f"{wrong[i]:.4g}"), float(f"{found[i]:.4g}")) for i in at]

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
