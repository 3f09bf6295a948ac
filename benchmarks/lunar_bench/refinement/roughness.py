"""How rough a surface is, over the truth: deviations from the best plane in small windows.

A published depth in half floats has steps of 8 to 32 m, and what takes them out, the smoothest
surface within, has lost relief: of rendered ground 0.5 to 0.8 of the roughness is left in windows
of 5 pixels, 0.95 in 15. A surface is read through the same steps before it is compared with such a
truth.
"""

from __future__ import annotations

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.fields import Field
from numpy.typing import NDArray

#: Sides of the windows, pixels.
WINDOWS_PX = (5, 7, 11, 15, 21)
_LEAST_WINDOWS = 500
# Of the smoothest surface. After 1500 it is 0.07 m from the published files, whose steps are 16 and
# 32 m; ratios change in the fourth digit from 300 on.
_ITERATIONS = 300
_START_PX = 4.0
_LIPSCHITZ = 64.0  # the Laplacian's square has no larger eigenvalue


def roughness_over_truth(
    depth: NDArray[np.floating], pair: KnownPair, region: NDArray[np.bool_]
) -> dict[str, float]:
    """Side of the window -> median deviation from its best plane, over the truth's.

    Args:
        depth: (H, W) of the left view, any unit.
        pair: With its truth.
        region: (H, W) where whole windows must lie.

    Returns:
        Of windows of which there are enough.
    """
    known = region & np.isfinite(depth) & np.isfinite(pair.depth)
    if not known.any():
        return {}
    true = np.where(known, pair.depth, np.median(pair.depth[known])).astype(np.float64)
    found = np.where(known, depth, np.median(depth[known])).astype(np.float64)
    found *= np.median(true[known]) / np.median(found[known])
    if pair.half_floats:
        found = _through_half_floats(found)
    rows, columns = np.mgrid[: true.shape[0], : true.shape[1]]
    A = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    logs = [np.log(true), np.log(found)]
    plane = A @ np.linalg.lstsq(A[known][::11], logs[0][known][::11], rcond=None)[0]
    result = {}
    for side in WINDOWS_PX:
        whole = cv2.erode(known.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
        if np.count_nonzero(whole) < _LEAST_WINDOWS:
            continue
        ours, theirs = (
            float(np.median(_deviation(np.where(known, one - plane, 0), side)[whole]))
            for one in reversed(logs)
        )
        result[str(side)] = float(f"{ours / max(theirs, 1e-30):.4g}")
    return result


def _deviation(values: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """(H, W) root mean square from the best plane in the window around."""
    ramp = np.arange(side) - (side - 1) / 2
    one = np.full(side, 1 / side)

    def mean(
        field: NDArray[np.float64], across: NDArray[np.float64], down: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        return np.asarray(cv2.sepFilter2D(field, cv2.CV_64F, across, down))

    square = mean(values * values, one, one) - mean(values, one, one) ** 2
    right, down = mean(values, ramp / side, one), mean(values, one, ramp / side)
    left = square - (right**2 + down**2) / np.mean(ramp**2)
    return np.asarray(np.sqrt(np.maximum(left, 0)))


def _through_half_floats(depth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smoothest surface within the steps that half floats make of a depth."""
    steps = depth.astype(np.float16)
    middle, reach = steps.astype(np.float64), np.spacing(steps).astype(np.float64) / 2
    level = float(middle.mean())
    least, most = (np.asarray(middle + side * reach - level, np.float32) for side in (-1.0, 1.0))
    start: Field = np.asarray(cv2.GaussianBlur((least + most) / 2, (0, 0), _START_PX), np.float32)
    found = np.clip(start, least, most)
    ahead, speed = found, 1.0
    for _ in range(_ITERATIONS):  # accelerated projected gradients
        bent = _laplacian(_laplacian(ahead))
        nearer = np.clip(ahead - bent / np.float32(_LIPSCHITZ), least, most)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead = nearer + np.float32((speed - 1) / faster) * (nearer - found)
        found, speed = nearer, faster
    return found.astype(np.float64) + level


def _laplacian(values: Field) -> Field:
    found = cv2.Laplacian(values, cv2.CV_32F, ksize=1, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float32)
