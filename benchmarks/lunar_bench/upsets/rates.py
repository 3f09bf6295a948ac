"""Shares of flips, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lunar_bench.record.shares import Share, share
from lunar_bench.upsets.record import Harm, Rates, UpsetRecord


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
