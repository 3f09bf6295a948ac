"""Heights below the cells of a grid: down the vertical through each to the visible surface."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.local_frame import LocalFrame
from lunar_runtime.landing.visible_surface import VisibleSurface, taken

_STEPS = 4  # down the vertical
_CLOSE = 0.05  # of a cell: how near the found point must be to the vertical
_COARSE = 4  # cells a side of a first guess's cell
_NO_PIXEL = np.float32(-9)  # outside of every view


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
) -> tuple[Field, Field, Field]:
    """Height of the surface at the cells' centres, and which pixel sees it."""
    x, y = cells.centres()
    found = _walk(intrinsics, frame, surface, x, y, _first_heights(surface, *cells))
    hole = ~((found.offset <= _CLOSE * max(cells.side, ground_px)) & np.isfinite(found.height))
    height = np.where(hole, np.float32(np.nan), found.height)
    pixel_x, pixel_y = (np.where(hole, _NO_PIXEL, p) for p in (found.pixel_x, found.pixel_y))
    return height, pixel_x, pixel_y


class _Found(NamedTuple):
    height: Field
    offset: Field
    pixel_x: Field
    pixel_y: Field


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


def _walk(
    intrinsics: Intrinsics,
    frame: LocalFrame,
    surface: VisibleSurface,
    x: Field,
    y: Field,
    height: Field,
) -> _Found:
    """Newton's steps along every cell's vertical to the surface."""
    pixel_x = pixel_y = offset = height
    for _ in range(_STEPS):
        pixel_x, pixel_y = _project(intrinsics, frame.to_camera(x, y, height))
        at_x, at_y, at_z, slope_x, slope_y = (
            taken(plane, pixel_x, pixel_y) for plane in surface[:5]
        )
        aside_x, aside_y = x - at_x, y - at_y
        height = at_z + slope_x * aside_x + slope_y * aside_y
        offset = np.hypot(aside_x, aside_y)
    return _Found(height, offset, pixel_x, pixel_y)


def _project(k: Intrinsics, point: tuple[Field, ...]) -> tuple[Field, Field]:
    x, y, z = point
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = ~(z > 0)
        pixels = (
            x / z * np.float32(k.fx) + np.float32(k.cx),
            y / z * np.float32(k.fy) + np.float32(k.cy),
        )
    for pixel in pixels:
        pixel[lost] = _NO_PIXEL
    return pixels
