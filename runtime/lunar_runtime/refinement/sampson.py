"""Sampson distances of matches, their derivative by the pose, and the steps a pose moves by."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose, cross_matrix
from lunar_runtime.geometry.products import times


class Sampson:
    """Sampson distances of fixed matches, and their derivative by the pose.

    The algebraic distance n is linear in E, and the squared gradient g quadratic, so both and their
    derivatives are products of one row a match with what depends on the pose alone.
    """

    def __init__(self, rays: MatchedRays) -> None:
        left, right = rays.left, rays.right
        self._both = _outer(right, left)
        self._squares = np.concatenate([_outer(left, left), _outer(right, right)], axis=-1)
        self._focal_px = rays.focal_px

    def distance_px(self, pose: RelativePose) -> Floats:
        """(N,) signed."""
        n, g = self._parts(cross_matrix(pose.t) @ pose.R)
        return np.asarray(n * (self._focal_px / np.sqrt(g)))

    def derivative_px(self, pose: RelativePose) -> Floats:
        """(N, 5) by the steps of `moved`."""
        across = cross_matrix(pose.t)
        E = across @ pose.R
        n, g = self._parts(E)
        turns = [across @ cross_matrix(axis) @ pose.R for axis in np.eye(3)]
        changes = np.array(turns + [cross_matrix(axis) @ pose.R for axis in _tangents(pose.t)])
        rows = changes[:, :2].transpose(0, 2, 1) @ E[:2]
        columns = changes[:, :, :2] @ E[:, :2].T
        twice_half = np.concatenate(
            [
                (rows + rows.transpose(0, 2, 1)).reshape(5, 9),
                (columns + columns.transpose(0, 2, 1)).reshape(5, 9),
            ],
            axis=-1,
        )
        scale = self._focal_px / np.sqrt(g)
        by_n = times(self._both, changes.reshape(5, 9).T)
        by_g = times(self._squares, twice_half.T)
        return np.asarray(scale[:, None] * (by_n - (n / (2 * g))[:, None] * by_g))

    def _parts(self, E: Floats) -> tuple[Floats, Floats]:
        squares = np.concatenate([(E[:2].T @ E[:2]).ravel(), (E[:, :2] @ E[:, :2].T).ravel()])
        n, g = times(self._both, E.ravel()), times(self._squares, squares)
        return n, np.maximum(g, 1e-30)


def _outer(a: Floats, b: Floats) -> Floats:
    return np.asarray((a[:, :, None] * b[:, None, :]).reshape(-1, 9))


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
