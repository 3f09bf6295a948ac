"""Pointmaps as arguments: an (H, W, 3) array, and a weight for every point of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError


def as_pointmap(pointmap: NDArray[Any]) -> NDArray[Any]:
    """The same as an array.

    Raises:
        InputError: It is not (H, W, 3).
    """
    pointmap = np.asarray(pointmap)
    if pointmap.ndim != 3 or pointmap.shape[-1] != 3:
        raise InputError(f"pointmap must be (H, W, 3), not {pointmap.shape}")
    return pointmap


def finite(points: NDArray[Any]) -> NDArray[np.bool_]:
    """(...) of (..., 3) points, those whose three coordinates are finite.

    An eighth of the time of `all` over the last axis.
    """
    x, y, z = (np.isfinite(points[..., i]) for i in range(3))
    return np.asarray(x & y & z, np.bool_)


def as_weights(confidence: NDArray[Any] | None, pointmap: NDArray[Any]) -> NDArray[np.float64]:
    """(H, W) weights of a pointmap's points; 1 where no confidence is given.

    Raises:
        InputError: The confidence is not (H, W).
    """
    height, width = pointmap.shape[:2]
    if confidence is None:
        return np.ones((height, width))
    weights = np.asarray(confidence, np.float64)
    if weights.shape != (height, width):
        raise InputError(f"confidence must be ({height}, {width}), not {weights.shape}")
    return weights
