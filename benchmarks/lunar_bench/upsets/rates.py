"""Shares of flips, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lunar_bench.upsets.record import Harm, Rates, Share, UpsetRecord

_TAIL = 0.025  # on each side
_HALVINGS = 50


def share(count: int, of: int) -> Share:
    """A share with its exact 95 % interval, after Clopper and Pearson."""
    low = 0.0 if count == 0 else _bound(of, lambda p: 1 - _at_most(count - 1, of, p) < _TAIL)
    high = 1.0 if count == of else _bound(of, lambda p: _at_most(count, of, p) > _TAIL)
    return Share(count=count, of=of, low=_short(low), high=_short(high))


def rates(records: Sequence[UpsetRecord]) -> Rates:
    """What became of some flips."""
    of = len(records)

    def counted(which: Callable[[UpsetRecord], bool]) -> Share:
        return share(sum(map(which, records)), of)

    unsafe = [record for record in records if record.harm.unsafe]
    names = sorted({name for record in records for name in record.guards})
    return Rates(
        unsafe=counted(lambda one: one.harm.unsafe),
        silent=counted(lambda one: one.harm.silent),
        undetected=counted(lambda one: one.harm.silent and not one.guards),
        refined_unsafe=counted(lambda one: _refined(one).unsafe),
        refined_silent=counted(lambda one: _refined(one).silent),
        refined_undetected=counted(lambda one: _refined(one).silent and not one.guards),
        noticed={
            name: share(sum(name in one.guards for one in unsafe), len(unsafe)) for name in names
        },
    )


def rates_by(records: Iterable[UpsetRecord], key: Callable[[UpsetRecord], str]) -> dict[str, Rates]:
    """The same of every group of flips that have one key."""
    groups: dict[str, list[UpsetRecord]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return {name: rates(groups[name]) for name in sorted(groups, key=_order)}


def worst(records: Iterable[UpsetRecord], *, guarded: bool) -> UpsetRecord | None:
    """The silent unsafe flip that misses most hazards; None where there is none.

    Args:
        records: To look at.
        guarded: Only those that no guard notices.
    """
    silent = [
        one
        for one in records
        if (one.harm.silent or _refined(one).silent) and not (guarded and one.guards)
    ]
    return max(silent, key=lambda one: one.harm.more_missed or 0.0, default=None)


def _refined(record: UpsetRecord) -> Harm:
    return record.refined or Harm(moved_deg=0.0, more_missed=0.0, lost=0.0, said=[])


def _order(key: str) -> tuple[bool, int, str]:
    return (not key.isdecimal(), int(key) if key.isdecimal() else 0, key)


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
