"""Running several things that do the same job in turn.

A shared machine drifts by tens of per cent over minutes. Two programs timed one after the other
compare the minutes; timed in turn, round by round, they compare themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np

from lunar_bench.record.times import Timing
from lunar_bench.timing.statistics import summarise

T = TypeVar("T")

# Warm-up ends when the medians of two neighbouring windows of runs agree to this.
_WINDOW = 3
_STABLE = 0.05


def in_turn(candidates: Sequence[T], number: int) -> Sequence[T]:
    """The order of a round: it turns around each time, so that no one always goes first."""
    return candidates[:: -1 if number % 2 else 1]


def interleave(
    candidates: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 1
) -> dict[str, Timing]:
    """Run every candidate once a round; the order turns around each round.

    Args:
        candidates: Name -> what to run.
        rounds: Timed rounds.
        warmup: Rounds before them that do not count.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(-warmup, rounds):
        for name in in_turn(list(candidates), number):
            begin = time.perf_counter()
            candidates[name]()
            if number >= 0:
                times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: summarise(ms) for name, ms in times.items()}


def is_warm(ms: Sequence[float]) -> bool:
    """Whether a series of times has settled: its last two windows of three runs agree to 5 %."""
    if len(ms) < 2 * _WINDOW:
        return False
    last, before = np.median(ms[-_WINDOW:]), np.median(ms[-2 * _WINDOW : -_WINDOW])
    return bool(abs(last - before) <= _STABLE * before)


def rounds_until(seconds: float, least: int, clock: Callable[[], float]) -> Iterator[int]:
    """Number rounds until the time is up, at least so many."""
    end, number = clock() + seconds, 0
    while number < least or clock() < end:
        yield number
        number += 1
