"""Times of several things that do the same job, interleaved.

A shared machine drifts by tens of per cent over minutes. Two programs timed one after the other
compare the minutes; timed in turn, round by round, they compare themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec
import numpy as np


class Timing(msgspec.Struct, frozen=True):
    """Wall-clock times of one candidate.

    Attributes:
        median_ms: Median over the rounds.
        quartiles_ms: First and third quartile.
        rounds_ms: Every round, in order.
    """

    median_ms: float
    quartiles_ms: tuple[float, float]
    rounds_ms: list[float]


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
        for name in list(candidates)[:: -1 if number % 2 else 1]:
            begin = time.perf_counter()
            candidates[name]()
            if number >= 0:
                times[name].append(1e3 * (time.perf_counter() - begin))
    return {name: _summary(ms) for name, ms in times.items()}


def ratio(times: Mapping[str, Timing], name: str, reference: str) -> float:
    """Median over rounds of one candidate's time over another's in the same round."""
    a, b = times[name].rounds_ms, times[reference].rounds_ms
    return float(np.median(np.array(a) / np.array(b)))


def _summary(ms: list[float]) -> Timing:
    first, median, third = np.percentile(ms, [25, 50, 75])
    return Timing(
        round(float(median), 2),
        (round(float(first), 2), round(float(third), 2)),
        [round(value, 2) for value in ms],
    )
