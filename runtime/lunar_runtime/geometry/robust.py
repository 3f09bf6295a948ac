"""Robust statistics that the geometry shares."""

from __future__ import annotations

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
    size = np.abs(np.ravel(residuals))
    middle = len(size) // 2  # of an even number, the larger of both: half of `median`'s time
    return SIGMA_PER_MAD * float(np.partition(size, middle)[middle])
