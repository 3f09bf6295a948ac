"""Cameras that are not as told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from lunar_runtime import Rig
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray

from lunar_bench.accuracy.told_rigs import NUMBERS, erring_rig
from lunar_bench.honesty.situation import Draw, Situation

_NEWTON_STEPS = 20


def calibration(situation: Situation, draw: Draw) -> Situation:
    """Cameras, pose and altitude off as told numbers are expected to be, and the rig says so."""
    told = situation.told
    assert told.left is not None and told.right is not None and told.right_from_left is not None
    assert told.altitude_m is not None
    true = Rig(told.left, told.right, told.right_from_left)
    off = erring_rig(true, draw.rng.standard_normal(NUMBERS))
    return situation.telling(
        left=off.rig.left,
        right=off.rig.right,
        right_from_left=off.rig.right_from_left,
        altitude_m=told.altitude_m * off.altitude,
        focal_sigma=off.rig.focal_sigma,
    )


def focal(situation: Situation, draw: Draw) -> Situation:
    """A focal length up to a tenth off, of both cameras."""
    ratio = 1 + draw.away(0.02, 0.10)
    return _telling(
        situation, lambda camera: replace(camera, fx=camera.fx * ratio, fy=camera.fy * ratio)
    ).noting(focal_ratio=ratio)


def principal_point(situation: Situation, draw: Draw) -> Situation:
    """A principal point that is somewhere else, of both cameras."""
    width = situation.left.shape[1]
    x, y = draw.away(0.02, 0.12) * width, draw.uniform(-0.12, 0.12) * width
    return _telling(
        situation, lambda camera: replace(camera, cx=camera.cx + x, cy=camera.cy + y)
    ).noting(x_px=x, y_px=y)


def another_size(situation: Situation, draw: Draw) -> Situation:
    """The camera matrices of images of another size."""
    ratio = draw.one_of(0.25, 0.5, 2 / 3, 1.5, 2.0, 4.0)
    return _telling(situation, lambda camera: camera.scaled(ratio, ratio)).noting(size_ratio=ratio)


def distortion(situation: Situation, draw: Draw) -> Situation:
    """A lens whose k1 nobody tells, in both images."""
    k1 = draw.uniform(0.03, 0.25) * draw.one_of(-1, -1, 1)
    if k1 > 0:
        k1 /= 2
    assert situation.told.left is not None and situation.told.right is not None
    assert situation.ground is not None
    x, y = _undistorted(situation.told.left, situation.left.shape, k1)
    left = sampled(situation.left, x, y)
    right = sampled(situation.right, *_undistorted(situation.told.right, situation.right.shape, k1))
    return situation.having(left=left, right=right, ground=situation.ground.at(x, y)).noting(k1=k1)


def zoomed_eye(situation: Situation, draw: Draw) -> Situation:
    """The right camera zoomed in or out, and nobody tells."""
    ratio = 1 + draw.uniform(0.03, 0.3)
    if draw.chance(0.5):
        ratio = 1 / ratio
    return _zoomed(situation, ratio)


def slight_zoom(situation: Situation, draw: Draw) -> Situation:
    """The right camera zoomed by a thousandth to three hundredths, as focusing does."""
    ratio = 1 + draw.log_uniform(0.001, 0.03) * draw.one_of(-1, 1)
    return _zoomed(situation, ratio)


def _zoomed(situation: Situation, ratio: float) -> Situation:
    assert situation.told.right is not None
    camera = situation.told.right
    height, width = situation.right.shape
    rows, columns = np.mgrid[:height, :width] + 0.5
    x = (columns - camera.cx) / ratio + camera.cx
    y = (rows - camera.cy) / ratio + camera.cy
    right = sampled(situation.right, x, y)
    return situation.having(right=right).noting(zoom=ratio)


def _telling(situation: Situation, change: Callable[[Intrinsics], Intrinsics]) -> Situation:
    left, right = situation.told.left, situation.told.right
    assert left is not None and right is not None
    return situation.telling(left=change(left), right=change(right))


def _undistorted(
    camera: Intrinsics, shape: tuple[int, ...], k1: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where in the undistorted image every pixel of the distorted one lies."""
    height, width = shape[:2]
    rows, columns = np.mgrid[:height, :width] + 0.5
    u, v = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    distorted = np.hypot(u, v)
    radius = distorted.copy()
    for _ in range(_NEWTON_STEPS):
        excess = radius * (1 + k1 * radius**2) - distorted
        radius -= excess / (1 + 3 * k1 * radius**2)
    factor = radius / np.maximum(distorted, 1e-12)
    x = camera.cx + camera.fx * u * factor
    y = camera.cy + camera.fy * v * factor
    return x.astype(np.float32), y.astype(np.float32)


def sampled(
    image: NDArray[np.uint8], x: NDArray[np.floating], y: NDArray[np.floating]
) -> NDArray[np.uint8]:
    """An image at positions whose top-left centre is at 0.5; black beyond its edges."""
    columns, rows = (np.asarray(v - 0.5, np.float32) for v in (x, y))
    found = cv2.remap(image, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(found, np.uint8)
