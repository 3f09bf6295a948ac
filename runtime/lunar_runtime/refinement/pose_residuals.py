"""What matches leave of a pose: how they err together, and what no rotation explains."""

from __future__ import annotations

import math

import numpy as np

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.refinement.sampson import Sampson

# What a whole neighbourhood of matches errs by together, of matches that fit far better. A smooth
# scene seen straight down left 0.0016 px, and its pose was 8 times as far off as that says.
_LEAST_SHARED_PX = 0.01
# Matches that err more err alike over more of the image: their patches hold too little texture.
# The true poses of 74 rendered pairs are 1.2 standard deviations away (root mean square) where
# matches err by less than 0.03 px, 1.4 to 1.7 above. How much the variance grows at most, and
# where it does: from half of that on, the depths of StereoLunar's pairs were within one sigma to
# 84 %, before it grew at all to 78 %.
_MORE_SHARED, _POOR_PX = 1.0, 0.1
_PATTERN_PX = 64.0  # side of a neighbourhood


def shared_share(rays: MatchedRays, residual: Floats, sigma_px: float) -> float:
    """Variance that a pose errs by over the one that a fit gives it.

    A fit's own error ends at interpolation's. Matches may err less, but neighbours err alike.

    Args:
        rays: The matches.
        residual: (N,) distances of the matches from the epipolar lines, pixels.
        sigma_px: That the fit took for one match.
    """
    measured, more = robust_sigma(residual), 1.0
    if math.isfinite(rays.spacing_px):
        measured = max(measured, _LEAST_SHARED_PX)
        more += _MORE_SHARED * min(1.0, (measured / _POOR_PX) ** 2)
    return min(1.0, (measured / sigma_px) ** 2) * more


def pattern_px(rays: MatchedRays, pose: RelativePose) -> float:
    """By how much neighbours miss their epipolar lines together, root mean square, pixels.

    Single matches beyond three standard deviations of all count as those.

    Args:
        rays: Dense matches.
        pose: Of the right camera.
    """
    residual = Sampson(rays).distance_px(pose)
    most = 3 * robust_sigma(residual)
    blocks = np.floor(rays.left[:, :2] * (rays.focal_px / _PATTERN_PX)).astype(np.intp)
    blocks -= blocks.min(axis=0)
    index = blocks[:, 0] * (blocks[:, 1].max() + 1) + blocks[:, 1]
    count = np.bincount(index)
    total = np.bincount(index, np.clip(residual, -most, most))
    return float(np.sqrt(np.sum(total**2 / np.maximum(count, 1)) / len(residual)))


def rotation_residual_px(rays: MatchedRays, pose: RelativePose) -> float:
    """Median distance in pixels that the best pure rotation leaves: parallax, or the lack of it.

    Args:
        rays: Of the matches.
        pose: Its rotation is the start.
    """
    return float(np.median(turn_between(rays, pose.R)[1])) * rays.focal_px


def turn_between(rays: MatchedRays, start: Floats) -> tuple[Floats, Floats]:
    """The rotation that brings left rays nearest to right ones, and the distances it leaves.

    Args:
        rays: Of the matches.
        start: (3, 3) a rotation.

    Returns:
        (3, 3) rotation; (N,) distances of unit rays.
    """
    unit_left, unit_right = (
        side / np.linalg.norm(side, axis=-1, keepdims=True) for side in (rays.left, rays.right)
    )
    R = start
    distance = np.linalg.norm(unit_right - unit_left @ R.T, axis=-1)
    for _ in range(10):
        weight = 1 / np.maximum(distance, 1e-9)  # Weiszfeld: the sum of distances, not of squares
        U, _, Vt = np.linalg.svd((unit_right * weight[:, None]).T @ unit_left)
        R = U @ np.diag([1, 1, np.sign(np.linalg.det(U @ Vt))]) @ Vt
        distance = np.linalg.norm(unit_right - unit_left @ R.T, axis=-1)
    return R, distance
