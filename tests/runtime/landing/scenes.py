"""Ground of known shape, seen by a camera."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.landing.ground_grid import GridSource, GroundGrid
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.local_frame import LocalFrame
from numpy.typing import NDArray

Ground = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
SIZE = 160
CAMERA = Intrinsics(200.0, 200.0, SIZE / 2, SIZE / 2)
FOUR = Lander(
    footprint_diameter_m=10, pad_diameter_m=0.5, slope_limit_deg=10, roughness_limit_m=0.3
)


def seen(ground: Ground, altitude_m: float = 100.0, tilt_deg: float = 0.0) -> GridSource:
    """A view of a height field without overhangs: y is up in the image, at tilt 0."""
    tilt = np.radians(tilt_deg)
    up = np.array([0.0, -np.sin(tilt), -np.cos(tilt)])
    axes = np.stack([[1.0, 0, 0], np.cross(up, [1.0, 0, 0]), up])
    rays = pixel_rays(CAMERA, SIZE, SIZE).astype(np.float64)
    along = rays @ axes.T
    low = np.zeros(rays.shape[:2])
    step = altitude_m / 400  # march, then halve: the first crossing counts
    distance = (altitude_m * 0.8) / -along[..., 2].clip(max=-1e-6)
    hit = np.zeros(low.shape, np.bool_)
    for _ in range(4000):
        below = altitude_m + distance * along[..., 2] <= ground(
            distance * along[..., 0], distance * along[..., 1]
        )
        hit |= below
        if hit.all():
            break
        distance = np.where(hit, distance, distance + step)
    near, far = distance - step, distance
    for _ in range(40):
        middle = (near + far) / 2
        below = altitude_m + middle * along[..., 2] <= ground(
            middle * along[..., 0], middle * along[..., 1]
        )
        near, far = np.where(below, near, middle), np.where(below, middle, far)
    return GridSource((rays * far[..., None]).astype(np.float32), CAMERA, up)


def flat_grid(height: NDArray[Any], cell_m: float = 1.0) -> GroundGrid:
    """A grid with these heights, seen once a cell, without errors."""
    height = np.asarray(height, np.float32)
    rows, columns = height.shape
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    return GroundGrid(
        frame=LocalFrame(np.array([0.0, 0, 100]), np.array([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])),
        cell_m=cell_m,
        x0_m=0.0,
        y0_m=(rows - 1) * cell_m,
        height=height,
        highest=height,
        pixel_x=x + np.float32(0.5),
        pixel_y=y + np.float32(0.5),
        spacing_m=np.full_like(height, cell_m),
        samples=np.ones_like(height),
        errors=np.zeros((0, rows, columns), np.float32),
        measured=np.ones(height.shape, np.bool_),
    )


def plane(slope_deg: float, azimuth_deg: float, size: int = 41) -> NDArray[np.float64]:
    """(size, size) heights of a slope over cells of a metre."""
    y, x = np.mgrid[size:0:-1, :size]
    along = x * math.cos(math.radians(azimuth_deg)) + y * math.sin(math.radians(azimuth_deg))
    return np.asarray(along * math.tan(math.radians(slope_deg)))
