"""Where the right camera stood, from its pixels and their points in the left camera's frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, is_out_of_memory
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.pointmaps import as_pointmap, as_weights, finite

# More points move the pose of a network by tenths of a degree, where its own error is degrees.
_MAX_POINTS = 1024
_MIN_POINTS = 16
_MIN_INLIERS = 0.25
_INLIER_SHARE = 0.02  # of the image's longer side: 10 px at 512
_ITERATIONS = 50
_SETTLED = 1e-6  # relative gain of the cost at which a fit ends
_NEAREST = 1e-6  # depth of a point that still projects, at unit scene size
# Where Tukey's weight ends: 4.685 sigma (95 % efficiency); the median length of a two-dimensional
# Gaussian error is 1.177 sigma.
_WIDTH_PER_MEDIAN = 4.685 / 1.177
_LEAST_WIDTH_PX = 0.01

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PoseEstimate:
    """The right camera's pose and how well it explains the pointmap.

    Attributes:
        right_from_left: (4, 4) float64 rigid transform, in the pointmap's unit.
        inlier_fraction: Of the points used, those that project within 2 % of the image's longer
            side from their pixel.
        reprojection_px: Median distance of those inliers from their pixel.
    """

    right_from_left: NDArray[np.float64]
    inlier_fraction: float
    reprojection_px: float


def right_from_left_pose(
    pointmap_right: NDArray[Any],
    intrinsics_right: Intrinsics,
    confidence_right: NDArray[Any] | None = None,
    *,
    seed: int = 0,
) -> PoseEstimate:
    """Recover the right camera's pose from the right pointmap (perspective-n-point).

    RANSAC on a grid of at most 1024 points, then Levenberg-Marquardt on the reprojection error
    under Tukey's biweight, from RANSAC's pose and from "the camera did not move"; the better of
    the two wins. The same input gives the same pose.

    Args:
        pointmap_right: (H, W, 3), any unit: for the right image's pixels, points in the *left*
            camera's frame. Not finite = invalid.
        intrinsics_right: Of the right camera, pixels of this (H, W) grid.
        confidence_right: (H, W), weight of every point; None = equal. Not finite or ≤ 0 = ignored.
        seed: Of RANSAC's samples.

    Returns:
        The pose.

    Raises:
        InputError: Wrong shapes, fewer than 16 usable points, or no pose that a quarter of them
            agree with.
    """
    pointmap = as_pointmap(pointmap_right)
    weights = as_weights(confidence_right, pointmap)
    row, column = _usable_grid(pointmap, weights)
    point = pointmap[row, column].astype(np.float64)
    # Centred and of unit size, the solvers are as exact in kilometres as in the network's unit.
    centre = np.median(point, axis=0)
    size = float(np.median(np.linalg.norm(point - centre, axis=-1)))
    if not size > 0:
        raise InputError("the right pointmap is a single point, so it has no camera pose")
    seen = _Seen(
        point=(point - centre) / size,
        pixel=np.stack([column + 0.5, row + 0.5], axis=-1),
        weight=weights[row, column],
        K=intrinsics_right.matrix(),
    )
    threshold_px = _INLIER_SHARE * max(pointmap.shape[:2])

    starts = [_Pose(np.eye(3), centre / size)]  # the camera did not move
    ransac = _ransac(seen, threshold_px, seed)
    if ransac is not None:
        starts.append(ransac)
    # First with a wide weight from every start, then with the width of the winner's own errors.
    wide_px = 3 * threshold_px
    poses = [_refine(seen, wide_px, start) for start in starts]
    pose = min(poses, key=lambda pose: seen.cost(pose, wide_px))
    median_px = float(np.median(seen.distances_px(pose)))
    width_px = min(max(_WIDTH_PER_MEDIAN * median_px, _LEAST_WIDTH_PX), wide_px)
    pose = _refine(seen, width_px, pose)

    distance_px = seen.distances_px(pose)
    inlier = distance_px <= threshold_px
    fraction = float(np.mean(inlier))
    if fraction < _MIN_INLIERS:
        raise InputError(
            f"no camera pose explains the right pointmap: the best one puts {fraction:.0%} of the "
            f"points within {threshold_px:.1f} px of their pixels; check that the two images "
            "overlap and that the intrinsics are the right camera's, or give the pose in a rig file"
        )
    right_from_left = np.eye(4)
    right_from_left[:3, :3] = pose.R
    right_from_left[:3, 3] = size * pose.t - pose.R @ centre
    return PoseEstimate(right_from_left, fraction, float(np.median(distance_px[inlier])))


def transform_points(b_from_a: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Points of frame a, in frame b.

    Args:
        b_from_a: (4, 4) rigid or similarity transform.
        points: (..., 3) in frame a.

    Returns:
        (..., 3) in frame b, of the points' floating-point type.

    Raises:
        InputError: Wrong shapes.
    """
    transform = np.asarray(b_from_a, dtype=np.float64)
    points = np.asarray(points)
    if transform.shape != (4, 4) or points.shape[-1:] != (3,):
        raise InputError(
            f"transform and points must be (4, 4) and (..., 3), "
            f"not {transform.shape} and {points.shape}"
        )
    moved: NDArray[Any] = points.astype(np.float64) @ transform[:3, :3].T + transform[:3, 3]
    return moved.astype(points.dtype) if np.issubdtype(points.dtype, np.floating) else moved


class _Pose(NamedTuple):
    """A point p of unit size is seen at R · p + t."""

    R: _Floats  # (3, 3)
    t: _Floats  # (3,)


class _Seen(NamedTuple):
    """Points of unit size, and the pixels where a camera saw them."""

    point: _Floats  # (N, 3)
    pixel: _Floats  # (N, 2)
    weight: _Floats  # (N,)
    K: _Floats  # (3, 3)

    def offsets_px(self, pose: _Pose) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
        """Points in the camera's frame, (N, 2) projection minus pixel, and which lie in front.

        What does not is put at Z = 1, so that it projects somewhere.
        """
        moved = self.point @ pose.R.T + pose.t
        front = moved[:, 2] > _NEAREST
        moved[:, 2] = np.where(front, moved[:, 2], 1.0)
        focal, centre = self.K[[0, 1], [0, 1]], self.K[:2, 2]
        return moved, moved[:, :2] / moved[:, 2:] * focal + centre - self.pixel, front

    def distances_px(self, pose: _Pose) -> _Floats:
        """(N,) of the projections from their pixels; infinite behind the camera."""
        _, offset, front = self.offsets_px(pose)
        return np.where(front, np.linalg.norm(offset, axis=-1), np.inf)

    def cost(self, pose: _Pose, width_px: float) -> float:
        """Weighted mean of Tukey's biweight loss of that width, in [0, 1]."""
        inside = np.clip(1 - (self.distances_px(pose) / width_px) ** 2, 0, None)
        return float(np.sum(self.weight * (1 - inside**3)) / np.sum(self.weight))


def _usable_grid(
    pointmap: NDArray[Any], weight: _Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of at most 1024 usable points, evenly spread."""
    height, width = weight.shape
    usable = finite(pointmap) & np.isfinite(weight) & (weight > 0)
    stride = 1
    while -(-height // stride) * -(-width // stride) > _MAX_POINTS:
        stride += 1
    first = stride // 2
    on_grid = np.zeros_like(usable)
    on_grid[min(first, height - 1) :: stride, min(first, width - 1) :: stride] = True
    row, column = np.nonzero(usable & on_grid)
    if len(row) < _MIN_POINTS:
        raise InputError(
            f"the right camera's pose needs {_MIN_POINTS} finite points of the right pointmap; "
            f"there are {len(row)}"
        )
    return row, column


def _ransac(seen: _Seen, threshold_px: float, seed: int) -> _Pose | None:
    cv2.setRNGSeed(seed)
    try:
        found, turn, t, _ = cv2.solvePnPRansac(
            seen.point,
            seen.pixel,
            seen.K,
            None,
            iterationsCount=200,
            reprojectionError=threshold_px,
            confidence=0.9999,
            flags=cv2.SOLVEPNP_AP3P,
        )
    except cv2.error as error:
        if is_out_of_memory(error):
            raise
        return None
    if not found or not (np.isfinite(turn).all() and np.isfinite(t).all()):
        return None
    return _Pose(_rotation(turn), np.asarray(t, np.float64).ravel())


def _refine(seen: _Seen, width_px: float, pose: _Pose) -> _Pose:
    """Levenberg-Marquardt on the reprojection error under Tukey's biweight of the given width."""
    focal = seen.K[[0, 1], [0, 1]]
    damping = 1e-4
    cost = seen.cost(pose, width_px)
    for _ in range(_ITERATIONS):
        moved, offset, front = seen.offsets_px(pose)  # (N, 3), (N, 2), (N,)
        pull = np.clip(1 - np.sum(offset**2, axis=-1) / width_px**2, 0, None) ** 2
        pull = np.where(front, seen.weight * pull, 0.0)
        J = _by_step(seen.point @ pose.R.T, moved, focal).reshape(-1, 6)  # (2 N, 6)
        weighted = J * np.repeat(pull, 2)[:, None]
        A, b = weighted.T @ J, weighted.T @ offset.ravel()
        if not np.diag(A).min() > 0:  # nothing within the width: this start leads nowhere
            break
        step = -np.linalg.solve(A + damping * np.diag(np.diag(A)), b)
        candidate = _Pose(_rotation(step[:3]) @ pose.R, pose.t + step[3:])
        new_cost = seen.cost(candidate, width_px)
        if new_cost <= cost:
            pose = candidate
            damping = max(damping / 10, 1e-12)
            done = float(np.abs(step).max()) < 1e-12 or cost - new_cost <= _SETTLED * cost
            cost = new_cost
            if done:
                break
        else:
            damping *= 10
            if damping > 1e6:
                break
    U, _, Vt = np.linalg.svd(pose.R)  # many small turns leave rounding behind
    return _Pose(U @ Vt, pose.t)


def _rotation(turn: NDArray[Any]) -> _Floats:
    """(3, 3) of a turn about an axis, by its length in radians."""
    return np.asarray(cv2.Rodrigues(turn)[0], dtype=np.float64)


def _by_step(turned: _Floats, moved: _Floats, focal: _Floats) -> _Floats:
    """(N, 2, 6) of the pixel by a small turn after R, then by a shift.

    A turn w moves the point by w × (R p).

    Args:
        turned: (N, 3) R p.
        moved: (N, 3) R p + t.
        focal: (2,) pixels.
    """
    x, y, z = turned.T
    J = np.zeros((len(moved), 2, 6))
    for axis, (along, aside) in enumerate(((0, moved[:, 0]), (1, moved[:, 1]))):
        near = focal[axis] / moved[:, 2]
        far = -near * aside / moved[:, 2]
        J[:, axis, 3 + along], J[:, axis, 5] = near, far
    near_x, far_x, near_y, far_y = J[:, 0, 3], J[:, 0, 5], J[:, 1, 4], J[:, 1, 5]
    J[:, 0, 0], J[:, 0, 1], J[:, 0, 2] = far_x * y, near_x * z - far_x * x, -near_x * y
    J[:, 1, 0], J[:, 1, 1], J[:, 1, 2] = far_y * y - near_y * z, -far_y * x, near_y * x
    return J
