"""Robust statistics that the geometry shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Standard deviations per median absolute deviation, of a Gaussian.
SIGMA_PER_MAD = 1.4826


def robust_sigma(residuals: NDArray[Any]) -> float:
    """Standard deviation of residuals around 0 that a minority of outliers cannot move.

    Args:
        residuals: (N,) at least one, any sign.
    """
    # In float32, a median takes half of the time.
    return SIGMA_PER_MAD * middle(np.abs(residuals).astype(np.float32, copy=False))


def percentiles(values: NDArray[Any], shares: Sequence[float]) -> NDArray[np.float64]:
    """`np.percentile` of values without NaN, in a third of its time: they are sorted first.

    Args:
        values: At least one, of any shape.
        shares: In percent.
    """
    ordered = np.sort(values, axis=None).astype(np.float64, copy=False)
    return np.asarray(np.percentile(ordered, shares, overwrite_input=True), np.float64)


def middle(values: NDArray[Any]) -> float:
    """The median of values without NaN; of an even number, the larger of both in the middle.

    Half of `np.median`'s time, which looks for both, and for NaN.

    Args:
        values: At least one, of any shape.
    """
    flat = np.ravel(values)
    at = len(flat) // 2
    return float(np.partition(flat, at)[at])
