"""From the distribution of an activation to the magnitude that INT8's 127 stands for."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lunar_export.choices import Method
from lunar_export.lowering.histogram import TensorRange

LEVELS = 127  # of INT8 on either side of zero
_CANDIDATES = 128


def thresholds(ranges: Mapping[str, TensorRange], method: Method) -> dict[str, float]:
    """Per tensor, the magnitude beyond which values are clipped; by its histogram but for `minmax`.

    Args:
        ranges: By tensor, measured once.
        method: `minmax` clips nothing; `percentile P` clips all but P % of the values; `mse`
            minimises the squared error of rounding and clipping together; `entropy` the
            divergence of the clipped, rounded distribution from the true one.
    """
    return {
        name: threshold(seen, method)
        for name, seen in ranges.items()
        if method == "minmax" or seen.histogram is not None
    }


def threshold(seen: TensorRange, method: Method) -> float:
    """The threshold of one tensor; positive, and at most its largest magnitude."""
    peak = seen.peak
    if peak == 0.0:
        return 1.0  # always zero, whatever the scale
    if method == "minmax":
        return peak
    assert seen.histogram is not None
    centres, counts = seen.histogram.magnitudes()
    if method == "mse":
        chosen = _least_squares(centres, counts, peak)
    elif method == "entropy":
        chosen = _least_divergence(centres, counts)
    else:
        share = float(method.removeprefix("percentile ")) / 100
        reached = np.searchsorted(np.cumsum(counts), share * counts.sum())
        chosen = float(centres[min(reached, len(centres) - 1)])
    return min(chosen, peak)


def _least_squares(centres: NDArray[np.float64], counts: NDArray[np.int64], peak: float) -> float:
    candidates = peak * np.geomspace(0.02, 1, _CANDIDATES)
    width = centres[1] - centres[0]
    used = counts > 0
    x, n = centres[used], counts[used].astype(np.float64)
    errors = []
    for candidate in candidates:
        step = candidate / LEVELS
        squared = (x - step * np.clip(np.rint(x / step), 0, LEVELS)) ** 2
        if step < width:  # then rounding is uniform within a bin, whatever its centre says
            squared[x < candidate] = step**2 / 12
        errors.append(float(n @ squared))
    return float(candidates[int(np.argmin(errors))])


def _least_divergence(centres: NDArray[np.float64], counts: NDArray[np.int64]) -> float:
    """Kullback-Leibler, as calibration by entropy is commonly defined (Migacz 2017)."""
    bins = len(counts)
    width = centres[1] - centres[0]
    occupied = int(np.flatnonzero(counts).max()) + 1
    if occupied <= LEVELS + 1:
        return float(occupied * width)
    total = counts.astype(np.float64)
    # What a Relu zeroes is exact on any scale, and would outweigh everything else.
    total[0] = total[1]
    best, chosen = np.inf, occupied
    for end in np.unique(np.geomspace(LEVELS + 1, occupied, _CANDIDATES).astype(int)):
        p = total[:end].copy()
        p[-1] += total[end:bins].sum()
        # Each of the levels spreads its count evenly over the bins that are not empty.
        level = np.arange(end) * (LEVELS + 1) // end
        filled = (total[:end] > 0).astype(np.float64)
        mass = np.bincount(level, total[:end], LEVELS + 1)
        share = mass / np.maximum(np.bincount(level, filled, LEVELS + 1), 1)
        q = share[level] * filled
        some = (p > 0) & (q > 0)
        p_share, q_share = p / p.sum(), q / max(q.sum(), 1e-300)
        lost = p_share[(p > 0) & (q == 0)].sum()
        divergence = float(p_share[some] @ np.log(p_share[some] / q_share[some])) + 10 * lost
        if divergence < best:
            best, chosen = divergence, int(end)
    return float(chosen * width)
