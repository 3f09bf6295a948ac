"""OpenCV's window matchers on rectified pairs.

Each takes a `RectifiedPair` and gives (h, w) float32 disparities beyond the plane's, rectified
pixels; NaN = no match. Every one of them gains by being smoothed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from numpy.typing import NDArray

from lunar_bench.accuracy.rectified import RectifiedPair

#: From a rectified pair to its disparities.
Matcher = Callable[[RectifiedPair], NDArray[np.float32]]

_RELIEF_PX = 32  # of disparity on either side of the plane, image pixels
_BLOCK_PX = 11  # rectified pixels
_SMOOTH_PX = 2.0  # of the usual baseline's disparities, rectified pixels: SGBM prefers whole pixels
_FORTH_AND_BACK_PX = 1.0  # flow that does not lead back is an occlusion or a guess
_FINER = 2  # of the usual baseline


def semi_global_points(pair: KnownPair) -> NDArray[np.float64]:
    """OpenCV's SGBM at twice the resolution with the true pose, on the left image's pixels.

    Returns:
        (H, W, 3) metres, left camera's frame; NaN = no match.
    """
    rectified = RectifiedPair.of(pair, _FINER)
    return rectified.points(smoothed(sgbm(rectified), _SMOOTH_PX))


def sgbm(pair: RectifiedPair) -> NDArray[np.float32]:
    """OpenCV's semi-global block matching."""
    area, reach = _BLOCK_PX**2, reach_px(pair)
    matcher = cv2.StereoSGBM.create(
        minDisparity=-reach,
        numDisparities=2 * reach,
        blockSize=_BLOCK_PX,
        P1=8 * area,
        P2=32 * area,
        disp12MaxDiff=2,
        preFilterCap=63,
        uniquenessRatio=5,
        speckleWindowSize=200,
        speckleRange=2,
        mode=cv2.STEREO_SGBM_MODE_SGBM_3WAY,
    )
    found = np.asarray(matcher.compute(pair.left, pair.right), np.float32) / 16
    return np.where(found >= -reach, found, np.float32(np.nan))


def inverse_search(pair: RectifiedPair) -> NDArray[np.float32]:
    """OpenCV's dense inverse search (DIS), forth and back; its flow along x is the disparity."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    forth = search.calc(pair.left, pair.right, None)  # type: ignore[call-overload]
    back = search.calc(pair.right, pair.left, None)  # type: ignore[call-overload]
    columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in forth.shape[1::-1]))
    returned = cv2.remap(back, columns + forth[..., 0], rows + forth[..., 1], cv2.INTER_LINEAR)
    lost = np.hypot(*cv2.split(forth + returned))
    trusted = (lost < _FORTH_AND_BACK_PX) & (np.abs(forth[..., 0]) < reach_px(pair))
    return np.asarray(np.where(trusted, -forth[..., 0], np.float32(np.nan)), np.float32)


def reach_px(pair: RectifiedPair) -> int:
    """How far a matcher looks to either side of the plane, rectified pixels."""
    # OpenCV wants a multiple of 8 on either side, and some of a small image left to match.
    return min(_RELIEF_PX * pair.finer, len(pair.left[0]) // 4 // 8 * 8)


def smoothed(disparity: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian means of the known disparities, where they are known; rectified pixels."""
    known = np.isfinite(disparity)
    share = cv2.GaussianBlur(known.astype(np.float32), (0, 0), sigma_px)
    total = cv2.GaussianBlur(np.where(known, disparity, 0), (0, 0), sigma_px)
    return np.where(known, total / np.maximum(share, 1e-3), np.nan).astype(np.float32)
