"""Smaller versions of a map, each half as wide as the one before."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Side of a file's blocks; a map that is no wider needs no overview.
BLOCK = 256


def levels(longest: int) -> int:
    """How many, until the longer side is a block at most."""
    count = 0
    while longest > BLOCK << count:
        count += 1
    return count


def halved(values: NDArray[Any], *, nodata: float, classes: bool) -> NDArray[Any]:
    """(R / 2, C / 2) of (R, C), both even: means of what is known, or one of the classes.

    Args:
        values: Float with NaN, or uint8.
        nodata: What is no value.
        classes: Whether values are names: of the four the first stays.
    """
    if classes:
        return np.ascontiguousarray(values[::2, ::2])
    known = np.isfinite(values) if np.isnan(nodata) else values != nodata
    total = _of_four(np.where(known, values, values.dtype.type(0)).astype(np.float32, copy=False))
    count = _of_four(known.view(np.uint8))
    with np.errstate(invalid="ignore"):
        mean = total / count
    if np.issubdtype(values.dtype, np.integer):
        mean = np.rint(mean, out=mean)
    mean[count == 0] = nodata
    return np.asarray(mean, values.dtype)


def _of_four(values: NDArray[Any]) -> NDArray[Any]:
    """Sums of four cells each."""
    rows = values[::2] + values[1::2]
    return np.asarray(rows[:, ::2] + rows[:, 1::2])
