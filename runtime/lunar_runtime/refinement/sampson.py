"""Sampson distances of matches, their derivative by the pose, and the steps a pose moves by."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose, cross_matrix
from lunar_runtime.kernels.library import run

_ABOUT = np.array([cross_matrix(axis) for axis in np.eye(3)])
_ACROSS = _ABOUT.reshape(3, 9)


class Sampson:
    """Sampson distances of fixed matches, and their derivative by the pose."""

    def __init__(self, rays: MatchedRays) -> None:
        self._left, self._right = sides(rays)
        self._focal_px, self._count = float(rays.focal_px), len(rays)

    def distance_px(self, pose: RelativePose) -> Floats:
        """(N,) signed."""
        found = np.empty(self._count)
        E = cross_matrix(pose.t) @ pose.R
        run("sampson", self._left, self._right, E, self._focal_px, self._count, found)
        return found

    def derivative_px(self, pose: RelativePose) -> Floats:
        """(N, 5) by the steps of `moved`; its columns are contiguous."""
        across = cross_matrix(pose.t)
        changes = np.empty((5, 3, 3))
        np.matmul(across, _ABOUT @ pose.R, out=changes[:3])
        np.matmul((_tangents(pose.t) @ _ACROSS).reshape(2, 3, 3), pose.R, out=changes[3:])
        found = np.empty((5, self._count))
        sides = self._left, self._right, across @ pose.R, changes
        run("sampson_derivative", *sides, self._focal_px, self._count, found)
        return np.asarray(found.T)


def sides(rays: MatchedRays) -> tuple[Floats, Floats]:
    """(3, N) left and right rays, as a kernel takes them."""
    return (
        np.ascontiguousarray(rays.left.T, np.float64),
        np.ascontiguousarray(rays.right.T, np.float64),
    )


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
