"""Counts of a number of tries, as shares with their exact intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lunar_bench.record.base import Record

_TAIL = 0.025  # on each side
_HALVINGS = 50


class Share(Record, frozen=True):
    """How many of a number of tries, with the 95 % interval of their share (Clopper-Pearson)."""

    count: int
    of: int
    low: float
    high: float


def share(count: int, of: int) -> Share:
    """A share with its exact 95 % interval, after Clopper and Pearson."""
    low = 0.0 if count == 0 else _bound(of, lambda p: 1 - _at_most(count - 1, of, p) < _TAIL)
    high = 1.0 if count == of else _bound(of, lambda p: _at_most(count, of, p) > _TAIL)
    return Share(count=count, of=of, low=_short(low), high=_short(high))


def _at_most(count: int, of: int, p: float) -> float:
    """Probability of at most `count` of `of`."""
    if p <= 0 or p >= 1:
        return 1.0 if p <= 0 or count >= of else 0.0
    k = np.arange(count + 1)
    logs = _log_choose(of, k) + k * np.log(p) + (of - k) * np.log1p(-p)
    return float(np.exp(logs).sum())


def _log_choose(of: int, k: NDArray[np.int64]) -> NDArray[np.float64]:
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, of + 1)))])
    return np.asarray(factorial[of] - factorial[k] - factorial[of - k], np.float64)


def _bound(of: int, below: Callable[[float], bool]) -> float:
    """Where a condition that holds for small shares ends to hold."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS if of else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2


def _short(value: float) -> float:
    return float(f"{value:.3g}")
