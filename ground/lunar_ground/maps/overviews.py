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
    four = np.stack([values[i::2, j::2] for i in (0, 1) for j in (0, 1)])
    known = np.isfinite(four) if np.isnan(nodata) else four != nodata
    count = np.count_nonzero(known, axis=0)
    total = np.sum(four, axis=0, where=known, dtype=np.float32)
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / count, np.float32(nodata))
    if np.issubdtype(values.dtype, np.integer):
        mean = np.rint(mean)
    return np.asarray(mean, values.dtype)
