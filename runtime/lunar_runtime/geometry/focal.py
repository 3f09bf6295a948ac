"""The focal length that a pointmap was seen with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.pointmaps import as_pointmap, as_weights, finite

_FOCAL_ITERATIONS = 50
_FOCAL_GRID = 256  # pixels of the pointmap used, per side; one unknown needs no more


def estimate_intrinsics(
    pointmap: NDArray[Any], confidence: NDArray[Any] | None = None
) -> Intrinsics:
    """The one focal length that best explains a pointmap in its own camera's frame.

    Square pixels, principal point at the image's centre. The focal minimises the sum of the
    (confidence-weighted) distances, not squares, between pixels and projected points, so that a
    minority of wrong points hardly moves it (Weiszfeld's iteration, from a weighted median).

    Args:
        pointmap: (H, W, 3), any unit, in the frame of the camera whose pixels these are.
        confidence: (H, W), weight of every point; None = equal weights. Not finite = 0.

    Returns:
        The intrinsics, fx = fy.

    Raises:
        InputError: Wrong shapes, or no point in front of the camera to estimate from.
    """
    pointmap = as_pointmap(pointmap)
    weight = as_weights(confidence, pointmap)
    height, width = weight.shape
    step_y, step_x = -(-height // _FOCAL_GRID), -(-width // _FOCAL_GRID)
    rows, columns = np.mgrid[step_y // 2 : height : step_y, step_x // 2 : width : step_x]
    point, weight = pointmap[rows, columns].astype(np.float64), weight[rows, columns]
    usable = finite(point) & (point[..., 2] > 0)
    usable &= np.isfinite(weight) & (weight > 0)
    point, weight = point[usable], weight[usable]
    row, column = rows[usable], columns[usable]
    # Arrays of their own for x and y: three times as fast as pairs, and the same bits.
    off_x, off_y = column + 0.5 - width / 2, row + 0.5 - height / 2
    tan_x, tan_y = point[:, 0] / point[:, 2], point[:, 1] / point[:, 2]  # offset ≈ focal * tangent
    tangent_sq = tan_x * tan_x + tan_y * tan_y
    informative = tangent_sq > 0
    if not np.any(informative):
        raise InputError(
            "the focal length cannot be estimated: the pointmap has no finite point in front of "
            "the camera; give `intrinsics` FX,FY,CX,CY"
        )
    if not informative.all():
        off_x, off_y, tan_x, tan_y, tangent_sq, weight = (
            each[informative] for each in (off_x, off_y, tan_x, tan_y, tangent_sq, weight)
        )

    along = off_x * tan_x + off_y * tan_y
    # A wrong focal displaces a point by |tangent| pixels per pixel of focal: hence this weight.
    focal = _weighted_median(along / tangent_sq, weight * np.sqrt(tangent_sq))
    for _ in range(_FOCAL_ITERATIONS):
        distance = np.sqrt((off_x - focal * tan_x) ** 2 + (off_y - focal * tan_y) ** 2)
        pull = weight / np.maximum(distance, 1e-6)
        previous, focal = focal, float(np.sum(pull * along) / np.sum(pull * tangent_sq))
        if abs(focal - previous) <= 1e-9 * abs(focal):
            break
    if not (math.isfinite(focal) and focal > 0):
        raise InputError(
            f"the focal length estimated from the pointmap is {focal:g} px, so the pointmap is "
            "not in its own camera's frame; give `intrinsics` FX,FY,CX,CY"
        )
    return Intrinsics(focal, focal, width / 2, height / 2)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])
