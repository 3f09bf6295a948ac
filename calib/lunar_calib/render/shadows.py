"""Cast shadows: the height below which the sun's disc is hidden, swept over the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.terrain import Terrain

PENUMBRA_SLOPE = 0.0186
"""Width of the shadow's edge, metres of height a metre of cell: four solar angular radii. The
true penumbra of nearby relief is thinner than a pixel."""


@dataclass(frozen=True)
class ShadowField:
    """How far the ground rises above the shadow, on a window of the grid.

    Attributes:
        clearance_m: (rows, columns) float32, height over the shadow's surface; negative in shadow.
        corner: Grid index (column, row) of the window's first node.
        cell_m: Node distance.
        period: Grid side; the window repeats where it is that large.
    """

    clearance_m: NDArray[np.float32]
    corner: tuple[int, int]
    cell_m: float
    period: int

    def sunlit_fraction(
        self, u: NDArray[np.float32], v: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Fraction of the sun seen at grid positions (columns u, rows v), in [0, 1]."""
        u, v = u - np.float32(self.corner[0]), v - np.float32(self.corner[1])
        rows, cols = self.clearance_m.shape
        if cols >= self.period:
            u = np.mod(u, np.float32(self.period))
        if rows >= self.period:
            v = np.mod(v, np.float32(self.period))
        clearance = cv2.remap(
            self.clearance_m, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        width = np.float32(PENUMBRA_SLOPE * self.cell_m)
        return np.asarray(np.clip(np.float32(0.5) + clearance / width, 0, 1), dtype=np.float32)


def cast_shadows(
    terrain: Terrain,
    window: tuple[float, float, float, float],
    sun: NDArray[np.float64],
) -> ShadowField:
    """Sweep the sun's rays over a window of the terrain.

    The grid is walked row by row (or column by column) away from the sun; each row is first
    shifted so that the sun's azimuth runs along the columns, hence the shadow's height there is
    max(ground, the previous row's height - fall of the ray). The walk starts far enough towards
    the sun for the highest relief to matter. Curvature over that distance is neglected.

    Args:
        terrain: The heightfield.
        window: First and last column, first and last row to cover, in cells.
        sun: (3,) unit vector to the sun, z > 0.
    """
    n = terrain.spec.cells
    along_rows = abs(sun[1]) >= abs(sun[0])
    major, minor = (sun[1], sun[0]) if along_rows else (sun[0], sun[1])
    shear = minor / major  # cells of minor axis a cell of major axis, towards the sun
    step_m = terrain.cell_m * math.hypot(1, shear)
    fall = sun[2] / math.hypot(major, minor) * step_m
    low, high = terrain.low_m, terrain.high_m
    lead = math.ceil(min((high - low) / fall, n)) + 2

    c0, c1 = math.floor(window[0]) - 1, math.ceil(window[1]) + 2
    r0, r1 = math.floor(window[2]) - 1, math.ceil(window[3]) + 2
    c1, r1 = min(c1, c0 + n + 1), min(r1, r0 + n + 1)
    a0, a1, b0, b1 = (r0, r1, c0, c1) if along_rows else (c0, c1, r0, r1)
    height = terrain.height_m if along_rows else terrain.height_m.T
    towards = 1 if major > 0 else -1
    steps = np.arange(a1 - 1 + lead, a0 - 1, -1) if towards > 0 else np.arange(a0 - lead, a1)
    base = a0 if towards > 0 else a1 - 1  # the row at which the shift is zero

    # Shifted columns cover the window for every row inside it.
    reach = abs(shear) * (a1 - a0)
    left = b0 - math.ceil(reach) - 1
    width = b1 - b0 + 2 * math.ceil(reach) + 3
    clearance = np.empty((a1 - a0, b1 - b0), np.float32)
    shadow = np.full(width, np.float32(low - 1))
    for row in steps:
        offset = shear * (row - base)
        whole = math.floor(offset)
        part = np.float32(offset - whole)
        line = height[row % n].take(np.arange(left + whole, left + whole + width + 1), mode="wrap")
        ground = line[:-1] + part * (line[1:] - line[:-1])
        shadow -= np.float32(fall)
        if a0 <= row < a1:
            gap = ground - shadow
            # Back to unshifted columns: column b sits at b - offset.
            back = -offset - math.floor(-offset)
            first = b0 - left + math.floor(-offset)
            out = gap[first : first + b1 - b0 + 1]
            clearance[row - a0] = out[:-1] + np.float32(back) * (out[1:] - out[:-1])
        np.maximum(shadow, ground, out=shadow)
    if not along_rows:
        clearance = np.ascontiguousarray(clearance.T)
    return ShadowField(clearance, (c0, r0), terrain.cell_m, n)
