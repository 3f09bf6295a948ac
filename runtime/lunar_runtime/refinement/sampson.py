"""Sampson distances of matches, their derivative by the pose, and the steps a pose moves by."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose, cross_matrix
from lunar_runtime.geometry.products import times

# Of a symmetric form's six products: which of a (3, 3) they are, and both sides' sums.
_ONE, _OTHER = np.array([0, 1, 2, 0, 0, 1]), np.array([0, 1, 2, 1, 2, 2])
_TOGETHER = np.zeros((9, 6))
_TOGETHER[3 * _ONE + _OTHER, range(6)] = _TOGETHER[3 * _OTHER + _ONE, range(6)] = 1
_ABOUT = np.array([cross_matrix(axis) for axis in np.eye(3)])
_ACROSS = _ABOUT.reshape(3, 9)


class Sampson:
    """Sampson distances of fixed matches, and their derivative by the pose.

    The algebraic distance n is linear in E, and the squared gradient g quadratic, so both and their
    derivatives are products of what depends on the pose alone with one column a match.
    """

    def __init__(self, rays: MatchedRays) -> None:
        left, right = (np.ascontiguousarray(side.T) for side in (rays.left, rays.right))
        self._both = (right[:, None] * left).reshape(9, -1)
        self._squares = np.concatenate([side[_ONE] * side[_OTHER] for side in (left, right)])
        self._focal_px = rays.focal_px
        self._last: tuple[RelativePose, Floats, Floats, Floats] | None = None

    def distance_px(self, pose: RelativePose) -> Floats:
        """(N,) signed."""
        _, n, _, scale = self._parts(pose)
        return np.asarray(n * scale)

    def derivative_px(self, pose: RelativePose) -> Floats:
        """(N, 5) by the steps of `moved`; its columns are contiguous."""
        _, n, g, scale = self._parts(pose)
        across = cross_matrix(pose.t)
        E = across @ pose.R
        changes = np.empty((5, 3, 3))
        np.matmul(across, _ABOUT @ pose.R, out=changes[:3])
        np.matmul((_tangents(pose.t) @ _ACROSS).reshape(2, 3, 3), pose.R, out=changes[3:])
        rows = changes[:, :2].transpose(0, 2, 1) @ E[:2]
        columns = changes[:, :, :2] @ E[:, :2].T
        by_g = times(_both_sides(rows, columns), self._squares)  # half of it
        by_g *= n / g
        by_pose = times(changes.reshape(5, 9), self._both)
        by_pose -= by_g
        by_pose *= scale
        return np.asarray(by_pose.T)

    def _parts(self, pose: RelativePose) -> tuple[RelativePose, Floats, Floats, Floats]:
        """The pose, its n and g, and pixels per n; those of the last pose are kept."""
        if self._last is None or self._last[0] is not pose:
            E = cross_matrix(pose.t) @ pose.R
            n = times(E.ravel(), self._both)
            g = times(_both_sides(E[:2].T @ E[:2], E[:, :2] @ E[:, :2].T), self._squares)
            np.maximum(g, 1e-30, out=g)
            self._last = pose, n, g, self._focal_px / np.sqrt(g)
        return self._last


def _both_sides(left: Floats, right: Floats) -> Floats:
    """(..., 12) of two quadratic forms, (..., 3, 3), on `_squares`."""
    shape = (*left.shape[:-2], 9)
    return np.concatenate([side.reshape(shape) @ _TOGETHER for side in (left, right)], axis=-1)


def _tangents(t: Floats) -> Floats:
    """(2, 3): unit vectors perpendicular to t."""
    x, y, z = t
    # The axis that t is furthest from, times t, is perpendicular to it; so is t times that.
    first = ((0.0, z, -y), (-z, 0.0, x), (y, -x, 0.0))[int(np.argmin(np.abs(t)))]
    a, b, c = first
    second = (y * c - z * b, z * a - x * c, x * b - y * a)
    return np.array([first, second]) / math.sqrt(a * a + b * b + c * c)


def moved(pose: RelativePose, step: NDArray[np.float64]) -> RelativePose:
    """A pose turned by three small angles, its direction moved by two; radians."""
    t = pose.t + step[3:] @ _tangents(pose.t)
    R = np.asarray(cv2.Rodrigues(step[:3])[0], np.float64) @ pose.R
    return RelativePose(R, t / math.sqrt(float(t @ t)))


def step_between(pose: RelativePose, other: RelativePose) -> Floats:
    """(5,) the step by which `moved` brings a pose to another one that is near."""
    turn = np.asarray(cv2.Rodrigues(other.R @ pose.R.T)[0], np.float64).ravel()
    return np.concatenate([turn, _tangents(pose.t) @ (other.t - pose.t)])
