"""Cast shadows: does the sun's disc clear the relief along the way to it?"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.terrain import Terrain

SUN_RADIUS = 0.00465
"""Angular radius of the Sun at 1 au, radians."""

_STEPS = 40


def sunlit_fraction(
    terrain: Terrain,
    x_m: NDArray[np.float32],
    y_m: NDArray[np.float32],
    sun: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Fraction of the Sun's disc seen from points on the surface.

    The way to the sun is sampled at distances that grow geometrically from one cell to where
    the sun's ray leaves the relief, Δz / tan(elevation); curvature over it is neglected.

    Args:
        terrain: The heightfield.
        x_m, y_m: (H, W) positions in metres from node (0, 0).
        sun: (3,) unit vector to the sun.

    Returns:
        (H, W) float32 in [0, 1].
    """
    f = np.float32
    inv = f(1 / terrain.cell_m)
    horizontal = float(np.hypot(sun[0], sun[1]))
    rise = f(sun[2] / horizontal)
    ux, uy = f(sun[0] / horizontal), f(sun[1] / horizontal)
    u, v = x_m * inv, y_m * inv
    h0 = cv2.remap(terrain.height_m, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    reach = max((terrain.high_m - float(h0.min())) / float(rise), 2 * terrain.cell_m)
    distances = np.geomspace(1.5 * terrain.cell_m, reach, _STEPS)
    # Steps no shorter than a cell: the nearest ones of a geometric series would repeat.
    distances = np.maximum(distances, terrain.cell_m * (1.5 + np.arange(_STEPS)))
    highest = np.full(x_m.shape, f(-10))
    for distance in distances[distances <= reach + terrain.cell_m]:
        h = cv2.remap(
            terrain.height_m,
            u + f(distance) * ux * inv,
            v + f(distance) * uy * inv,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_WRAP,
        )
        np.maximum(highest, (h - h0) * f(1 / distance), out=highest)
    clearance = (rise - highest) / f((1 + float(rise) ** 2) * SUN_RADIUS)
    # The true penumbra is thinner than a pixel; five discs wide hides the march's steps.
    return np.clip(f(0.5) + clearance / 10, 0, 1)
