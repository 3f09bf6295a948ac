"""Classical stereo that is told the true pose: rectify, semi-global matching, triangulate."""

from __future__ import annotations

import cv2
import numpy as np
from lunar_runtime.accuracy import true_pointmap
from lunar_runtime.cameras import pixel_rays
from numpy.typing import NDArray

from lunar_bench.known_pairs import KnownPair

_CANVAS = 1.5  # sides of the rectified images over the given ones: the views are rolled in them
_RANGE_QUANTILES = (0.005, 0.995)  # of the true disparities: what the search is told
_RANGE_STEP_PX = 16  # OpenCV's
_BLOCK_PX = 5


def semi_global_points(pair: KnownPair) -> NDArray[np.float64]:
    """OpenCV's SGBM with the true pose, on the left image's pixels.

    Both images are turned so that x lies along the baseline and z between the optical axes.

    Args:
        pair: Its `right_from_left` is used, and its depth to choose the range of disparities.

    Returns:
        (H, W, 3) metres, left camera's frame; NaN = no match.
    """
    height, width = pair.left.shape
    R, t = pair.right_from_left[:3, :3], pair.right_from_left[:3, 3]
    centre = -R.T @ t  # of the right camera, left frame
    baseline_m = float(np.linalg.norm(centre))
    x_axis = centre / baseline_m
    ahead = np.array([0, 0, 1.0]) + R[2]  # the two optical axes
    z_axis = ahead - (ahead @ x_axis) * x_axis
    z_axis /= np.linalg.norm(z_axis)
    turn = np.stack([x_axis, np.cross(z_axis, x_axis), z_axis])  # rectified from left
    focal = pair.camera_left.fx
    size = round(width * _CANVAS), round(height * _CANVAS)

    points = true_pointmap(pair.depth, pair.camera_left).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=-1)] @ turn.T
    aim = np.median(points[:, :2] / points[:, 2:], axis=0)
    corner = np.array(size) / 2 - focal * aim  # principal point of the left rectified image
    shift = focal * baseline_m / float(np.median(points[:, 2]))
    nearest = points[points[:, 2] > 0, 2]
    low, high = np.quantile(focal * baseline_m / nearest - shift, _RANGE_QUANTILES)
    least = int(np.floor(low)) - 1
    reach = -(-int(np.ceil(high) + 1 - least) // _RANGE_STEP_PX) * _RANGE_STEP_PX
    # Both must leave some of the image to match; wider ground than that is lost.
    most = size[0] // 3 // _RANGE_STEP_PX * _RANGE_STEP_PX
    least, reach = int(np.clip(least, -most, most)), min(reach, most)
    K_left = np.array([[focal, 0, corner[0]], [0, focal, corner[1]], [0, 0, 1.0]])
    K_right = K_left + np.array([[0, 0, shift], [0, 0, 0], [0, 0, 0]])

    images = []
    for image, K, camera, rotation in (
        (pair.left, K_left, pair.camera_left, turn),
        (pair.right, K_right, pair.camera_right, turn @ R.T),
    ):
        H = _to_centres(K) @ rotation @ np.linalg.inv(_to_centres(camera.matrix()))
        images.append(cv2.warpPerspective(image, H, size, flags=cv2.INTER_LINEAR))
    area = _BLOCK_PX**2
    matcher = cv2.StereoSGBM.create(
        minDisparity=least,
        numDisparities=reach,
        blockSize=_BLOCK_PX,
        P1=8 * area,
        P2=32 * area,
        disp12MaxDiff=1,
        preFilterCap=63,
        uniquenessRatio=10,
        speckleWindowSize=100,
        speckleRange=2,
    )
    found = np.asarray(matcher.compute(images[0], images[1]), np.float32) / 16
    found[found < least] = np.nan

    rays = pixel_rays(pair.camera_left, height, width).astype(np.float64) @ turn.T
    seen = (rays @ K_left.T).astype(np.float32)
    x, y = seen[..., 0] / seen[..., 2] - 0.5, seen[..., 1] / seen[..., 2] - 0.5
    at_pixel = cv2.remap(
        found, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
    )
    z = focal * baseline_m / (at_pixel.astype(np.float64) + shift)
    z = np.where(z > 0, z, np.nan)
    along: NDArray[np.float64] = (rays / rays[..., 2:]) * z[..., None] @ turn
    return along


def _to_centres(K: NDArray[np.float64]) -> NDArray[np.float64]:
    """OpenCV's warps put the top-left pixel's centre at (0, 0)."""
    shifted: NDArray[np.float64] = K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
    return shifted
