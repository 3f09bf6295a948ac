"""What can be said of a series of times, and of two of them.

A percentile needs runs beyond it: p99 of 50 runs is their maximum under another name. Those that a
series is too short for are absent (None).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_bench.record.times import Timing

_RESAMPLES = 2000
_CONFIDENCE = 0.95
_Z95 = 1.959964
# Fewer pairs of rounds say nothing about their spread.
_FEWEST_FOR_AN_INTERVAL = 5
# Up to here the null distribution of U is enumerated; beyond, it is normal to three digits.
_LARGEST_EXACT = 20
_LARGEST_THEIL_SEN = 400
_LARGEST_SAMPLE = 1 << 20  # values of a bootstrap that are in memory at once


class Interval(NamedTuple):
    """A figure and its 95 % confidence interval; the bounds are None where there are too few."""

    value: float
    low: float | None
    high: float | None


def summarise(ms: Sequence[float]) -> Timing:
    """Describe a series of times.

    Args:
        ms: At least one, in the order in which they were measured.
    """
    times = np.asarray(ms, np.float64)
    first, median, third = np.percentile(times, [25, 50, 75])
    return Timing(
        count=len(times),
        median_ms=_rounded(median),
        quartiles_ms=(_rounded(first), _rounded(third)),
        p90_ms=_percentile(times, 90.0),
        p99_ms=_percentile(times, 99.0),
        p999_ms=_percentile(times, 99.9),
        max_ms=_rounded(times.max()),
        jitter_ms=_rounded(np.abs(np.diff(times)).mean()) if len(times) > 1 else None,
        rounds_ms=[_rounded(value) for value in times],
    )


def ratio(a: ArrayLike, b: ArrayLike, seed: int = 0) -> Interval:
    """How many times as long as `b` a run of `a` takes, from rounds that measured both.

    The median of the ratios within a round; its interval by a circular block bootstrap over the
    rounds (blocks of n^(1/3), since neighbouring rounds share the machine's state).

    Args:
        a: (n,) times, one a round.
        b: (n,) times of the same rounds.
        seed: Of the bootstrap.
    """
    ratios = np.asarray(a, np.float64) / np.asarray(b, np.float64)
    value, n = float(np.median(ratios)), len(ratios)
    if n < _FEWEST_FOR_AN_INTERVAL:
        return Interval(value, None, None)
    block = max(1, round(n ** (1 / 3)))
    rng = np.random.default_rng(seed)
    blocks = -(-n // block)
    medians = []
    at_once = max(1, min(_RESAMPLES, _LARGEST_SAMPLE // n))
    for begin in range(0, _RESAMPLES, at_once):
        starts = rng.integers(0, n, (min(at_once, _RESAMPLES - begin), blocks, 1))
        index = (starts + np.arange(block)).reshape(len(starts), -1)[:, :n] % n
        medians.append(np.median(ratios[index], axis=1))
    tail = 50 * (1 - _CONFIDENCE)
    low, high = np.percentile(np.concatenate(medians), [tail, 100 - tail])
    return Interval(value, float(low), float(high))


def mann_whitney(a: ArrayLike, b: ArrayLike) -> float:
    """Two-sided p-value that `a` and `b` come from one distribution.

    Exact for short series without ties; else normal, corrected for ties and for the runs of a
    series not being independent (a machine that is slow now is slow in the next run too): the
    variance of each side grows by (1 + r) / (1 − r), r being its ranks' lag-1 autocorrelation.

    Args:
        a: (n,) values in the order measured.
        b: (m,) the same.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    n, m = len(first), len(second)
    ranks, tie_sizes = _midranks(np.concatenate((first, second)))
    u = float(ranks[:n].sum() - n * (n + 1) / 2)
    if max(n, m) <= _LARGEST_EXACT and not np.any(tie_sizes > 1):
        return _exact_p(u, n, m)
    total = n + m
    ties = float(np.sum(tie_sizes**3 - tie_sizes)) / (total * (total - 1))
    variance = n * m / 12 * (total + 1 - ties)
    # The variance of U is nearly the sum of what each side's mean rank contributes.
    inflation = (m * _inflation(ranks[:n]) + n * _inflation(ranks[n:])) / total
    if variance <= 0:
        return 1.0  # all values are equal
    z = (abs(u - n * m / 2) - 0.5) / math.sqrt(variance * inflation)
    return math.erfc(max(z, 0.0) / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for having looked at several things at once (Holm's step-down)."""
    order = np.argsort(p_values)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for position, index in enumerate(order):
        largest = max(largest, (len(p_values) - position) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted


def slope(x: ArrayLike, y: ArrayLike) -> Interval:
    """Theil-Sen slope of y over x, with Sen's interval: one outlier does not tilt it.

    Long series are thinned evenly to 400 points.

    Args:
        x: (n,) two or more different values, ascending.
        y: (n,).
    """
    xs, ys = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(xs) > _LARGEST_THEIL_SEN:
        index = np.linspace(0, len(xs) - 1, _LARGEST_THEIL_SEN).round().astype(int)
        xs, ys = xs[index], ys[index]
    n = len(xs)
    i, j = np.triu_indices(n, 1)
    run = xs[j] - xs[i]
    slopes = np.sort(((ys[j] - ys[i])[run > 0]) / run[run > 0])
    value = float(np.median(slopes))
    if n < _FEWEST_FOR_AN_INTERVAL:
        return Interval(value, None, None)
    half = _Z95 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, int((len(slopes) - half) / 2))
    high = min(len(slopes) - 1, math.ceil((len(slopes) + half) / 2))
    return Interval(value, float(slopes[low]), float(slopes[high]))


def _percentile(times: NDArray[np.float64], percent: float) -> float | None:
    if len(times) < round(100 / (100 - percent)):
        return None
    return _rounded(np.percentile(times, percent))


def _rounded(ms: float | np.floating) -> float:
    return round(float(ms), 3)


def _midranks(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((2 * ends - counts + 1) / 2)[inverse], counts.astype(np.int64)


def _exact_p(u: float, n: int, m: int) -> float:
    # ways[k]: orders of n + m distinct values with U = k. U's generating function is the
    # Gaussian binomial coefficient, the product of (1 - q^(m+i)) / (1 - q^i).
    ways = np.zeros(n * m + 1)
    ways[0] = 1.0
    for i in range(1, n + 1):
        up, down = m + i, i
        for k in range(n * m, up - 1, -1):
            ways[k] -= ways[k - up]
        for k in range(down, n * m + 1):
            ways[k] += ways[k - down]
    tail = ways[: int(min(u, n * m - u)) + 1].sum() / ways.sum()
    return float(min(1.0, 2 * tail))


def _inflation(ranks: NDArray[np.float64]) -> float:
    centred = ranks - ranks.mean()
    power = float(centred @ centred)
    if len(ranks) < 3 or power == 0:
        return 1.0
    r = min(max(float(centred[1:] @ centred[:-1]) / power, 0.0), 0.95)
    return (1 + r) / (1 - r)
