"""Which candidates make a set: those that cover most, by what was measured of them.

Every quantity's range over the candidates is cut into bins. Pairs are chosen one by one: a scene
that is not in the set yet before one that is; then whichever fills most empty bins; then whichever
falls into the least filled ones. So rare light, shadow, altitude and texture come in first, and the
first pairs of a set are a good set themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lunar_calib.sets.calibration_manifest import (
    Augmentation,
    CoverageRecord,
    ImageStatistics,
    PairRecord,
)

BINS = 5
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Facts:
    """What decides about a candidate; fields as `PairRecord`'s."""

    source: str
    scene: str
    augmentation: Augmentation
    statistics: ImageStatistics
    altitude_m: float | None = None
    sun_elevation_deg: float | None = None


def facts_of(pair: PairRecord) -> Facts:
    """What decided about a pair that is in a set."""
    return Facts(
        pair.source,
        pair.scene,
        pair.augmentation,
        pair.statistics,
        pair.altitude_m,
        pair.sun_elevation_deg,
    )


def orientation_of(facts: Facts) -> str:
    """How the images of a pair were turned: `0 deg`, `90 deg mirrored` and so on."""
    turn = f"{90 * facts.augmentation.quarter_turns} deg"
    return f"{turn} mirrored" if facts.augmentation.flip else turn


_NUMBERS: dict[str, Callable[[Facts], float | None]] = {
    "mean grey": lambda facts: facts.statistics.mean_grey,
    "contrast": lambda facts: facts.statistics.contrast,
    "shadow %": lambda facts: 100 * facts.statistics.shadow,
    "texture": lambda facts: facts.statistics.texture,
    "altitude km": lambda facts: None if facts.altitude_m is None else facts.altitude_m / 1000,
    "sun deg": lambda facts: facts.sun_elevation_deg,
}
_NAMES: dict[str, Callable[[Facts], str]] = {
    "orientation": orientation_of,
    "order": lambda facts: "swapped" if facts.augmentation.swap else "as given",
    "source": lambda facts: facts.source,
}
_LOGARITHMIC = frozenset({"altitude km", "texture"})


def choose(candidates: Sequence[Facts], count: int) -> list[int]:
    """Indices of the candidates to take, in the order of choice.

    Args:
        candidates: What is known of each.
        count: How many, at most.
    """
    bins = np.array([_assign(record, candidates) for record in coverage(candidates, ())])
    bins = bins.reshape(-1, len(candidates))  # (quantities, candidates)
    filled = np.zeros((len(bins), bins.max(initial=0) + 1), np.intp)
    rows = np.arange(len(bins))
    names = [(one.source, one.scene) for one in candidates]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    scenes = np.array([numbers[name] for name in names], np.intp)
    used = np.zeros(len(numbers), np.intp)
    free = np.ones(len(candidates), np.bool_)
    chosen: list[int] = []
    while len(chosen) < min(count, len(candidates)):
        counts = filled[rows[:, None], bins]
        least_filled = -(1 / (1 + counts)).sum(axis=0)
        empty = -(counts == 0).sum(axis=0)
        # Sorted by the last key first; what is equal stays in the order of the candidates.
        best = int(np.lexsort((least_filled, empty, used[scenes], ~free))[0])
        chosen.append(best)
        free[best] = False
        used[scenes[best]] += 1
        filled[rows, bins[:, best]] += 1
    return chosen


def coverage(candidates: Sequence[Facts], chosen: Sequence[Facts]) -> tuple[CoverageRecord, ...]:
    """How the chosen ones cover what the candidates offered, per quantity.

    A quantity that is known of no candidate is left out, as is a name that all of them share.
    """
    records = []
    for quantity, number in _NUMBERS.items():
        known = [value for value in map(number, candidates) if value is not None]
        if known:
            edges = _edges(known, logarithmic=quantity in _LOGARITHMIC)
            labels = [f"{_short(low)}-{_short(high)}" for low, high in pairwise(edges)]
            records.append((quantity, (*labels, UNKNOWN), edges))
    for quantity, name in _NAMES.items():
        names = tuple(dict.fromkeys(map(name, candidates)))
        if len(names) > 1:
            records.append((quantity, names, ()))
    empty = [
        CoverageRecord(
            quantity=quantity,
            labels=labels,
            edges=edges,
            candidates=(0,) * len(labels),
            chosen=(0,) * len(labels),
        )
        for quantity, labels, edges in records
    ]
    return tuple(
        CoverageRecord(
            quantity=record.quantity,
            labels=record.labels,
            edges=record.edges,
            candidates=count_in(record, candidates),
            chosen=count_in(record, chosen),
        )
        for record in empty
    )


def count_in(record: CoverageRecord, facts: Sequence[Facts]) -> tuple[int, ...]:
    """How many of some pairs fall into each bin of a coverage record.

    Raises:
        ValueError: The record has a quantity or a name that does not exist.
    """
    counts = Counter(_assign(record, facts))
    return tuple(counts[i] for i in range(len(record.labels)))


def _assign(record: CoverageRecord, facts: Sequence[Facts]) -> list[int]:
    if record.quantity in _NAMES:
        return [record.labels.index(_NAMES[record.quantity](one)) for one in facts]
    if record.quantity not in _NUMBERS:
        raise ValueError(f"no quantity {record.quantity!r}")
    inner = record.edges[1:-1]
    values = map(_NUMBERS[record.quantity], facts)
    last = len(record.labels) - 1
    return [
        last if value is None else int(np.searchsorted(inner, value, side="right"))
        for value in values
    ]


def _edges(values: Sequence[float], *, logarithmic: bool) -> tuple[float, ...]:
    low, high = min(values), max(values)
    if not high > low:
        return (low, high)
    if logarithmic and low > 0:
        return tuple(np.geomspace(low, high, BINS + 1).tolist())
    return tuple(np.linspace(low, high, BINS + 1).tolist())


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.1f}"
