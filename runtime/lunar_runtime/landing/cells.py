"""Heights below the cells of a grid: down the vertical through each to the visible surface."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.local_frame import LocalFrame
from lunar_runtime.landing.surface_walk import Found, walk
from lunar_runtime.landing.visible_surface import VisibleSurface

_COARSE = 4  # cells a side of a first guess's cell


class Cells(NamedTuple):
    """Where cells lie: centre of the first one, side, rows and columns."""

    x0: float
    y0: float
    side: float
    rows: int
    columns: int

    def axes(self) -> tuple[Field, Field]:
        """X of the columns (C,) and y of the rows (R,)."""
        xs = (self.x0 + self.side * np.arange(self.columns)).astype(np.float32)
        ys = (self.y0 - self.side * np.arange(self.rows)).astype(np.float32)
        return xs, ys

    def centres(self) -> tuple[Field, Field]:
        """(R, C) x and y."""
        xs, ys = self.axes()
        shape = self.rows, self.columns
        return np.broadcast_to(xs, shape), np.broadcast_to(ys[:, None], shape)

    def split(self, parts: int) -> Cells:
        """So many cells a side for each, an odd number: one of them has the old one's centre."""
        side = self.side / parts
        shift = side * (parts // 2)
        return Cells(
            self.x0 - shift, self.y0 + shift, side, self.rows * parts, self.columns * parts
        )


def heights_below(
    intrinsics: Intrinsics,
    frame: LocalFrame,
    surface: VisibleSurface,
    cells: Cells,
    ground_px: float,
) -> Found:
    """The surface at the cells' centres."""
    x, y = cells.centres()
    found = walk(intrinsics, frame, surface, x, y, _first_heights(surface, *cells))
    return found.without_misses(max(cells.side, ground_px))


def _first_heights(
    surface: VisibleSurface, x0: float, y0: float, cell: float, rows: int, columns: int
) -> Field:
    """(R, C) highest point of a coarse cell around each; NaN where none falls."""
    thin = (slice(None, None, 2),) * 2  # four pixels of a coarse cell are enough
    good = np.isfinite(surface.x[thin])
    x, y, z = surface.x[thin][good], surface.y[thin][good], surface.z[thin][good]
    tall, wide = -(-rows // _COARSE), -(-columns // _COARSE)
    column = np.floor((x - (x0 - cell / 2)) / (cell * _COARSE)).astype(np.int32)
    row = np.floor(((y0 + cell / 2) - y) / (cell * _COARSE)).astype(np.int32)
    inside = (column >= 0) & (column < wide) & (row >= 0) & (row < tall)
    index = (row * wide + column)[inside]
    z = z[inside]
    order = np.argsort(z)
    top = np.full(tall * wide, np.nan, np.float32)
    top[index[order]] = z[order]  # of all that fall into a cell the last stays: the highest
    coarse = top.reshape(tall, wide)
    hollow = ~np.isfinite(coarse)
    if hollow.any():  # a cell between others: from its neighbours
        lowest = np.float32(-1e9)
        filled = cv2.dilate(np.where(hollow, lowest, coarse), np.ones((3, 3), np.uint8))
        coarse = np.where(hollow & (filled > lowest / 2), filled, coarse)
    fine = np.repeat(np.repeat(coarse, _COARSE, axis=0), _COARSE, axis=1)
    return np.asarray(fine[:rows, :columns], np.float32)
