"""Heights below the cells of a grid: down the vertical through each to the visible surface."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.strips import in_strips
from lunar_runtime.landing.surface_walk import Found, SurfaceWalk
from lunar_runtime.landing.visible_surface import VisibleSurface, taken

_WIDE = 4  # cells a side of a wide cell


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


class Heights:
    """Of the surface's highest points, on cells four times as wide: where walks start."""

    def __init__(self, surface: VisibleSurface, cells: Cells) -> None:
        """Take the highest point of every wide cell; NaN where none falls, and none beside."""
        self._cells = cells
        wide = cells.side * _WIDE
        self._wide = Cells(
            cells.x0 + (wide - cells.side) / 2,
            cells.y0 - (wide - cells.side) / 2,
            wide,
            -(-cells.rows // _WIDE),
            -(-cells.columns // _WIDE),
        )
        thin = (slice(None, None, 2),) * 2  # four pixels of a wide cell are enough
        good = np.isfinite(surface.x[thin])
        x, y, z = surface.x[thin][good], surface.y[thin][good], surface.z[thin][good]
        index, inside = self._index(x, y)
        index, z = index[inside], z[inside]
        order = np.argsort(z)
        top: Field = np.full((self._wide.rows, self._wide.columns), np.nan, np.float32)
        top.flat[index[order]] = z[order]  # of all that fall into a cell the last stays: the top
        hollow = ~np.isfinite(top)
        if hollow.any():  # a cell between others: from its neighbours
            lowest = np.float32(-1e9)
            filled = cv2.dilate(np.where(hollow, lowest, top), np.ones((3, 3), np.uint8))
            top = np.where(hollow & (filled > lowest / 2), filled, top)
        self._top = np.asarray(top, np.float32)

    def of_cells(self) -> Field:
        """(R, C) at the cells."""
        fine = np.repeat(np.repeat(self._top, _WIDE, axis=0), _WIDE, axis=1)
        return np.asarray(fine[: self._cells.rows, : self._cells.columns])

    def at(self, x: Field, y: Field) -> Field:
        """(...) at places; NaN beyond the cells."""
        wide, cells = self._wide.side, self._cells
        left, top = cells.x0 - cells.side / 2, cells.y0 + cells.side / 2
        column, row = (np.asarray(at, np.float32) / np.float32(wide) for at in (x - left, top - y))
        column, row = (np.ascontiguousarray(at) for at in np.broadcast_arrays(column, row))
        return taken(self._top, column, row, cv2.INTER_NEAREST)

    def known(self) -> tuple[Field, Field, Field]:
        """(N,) x, y and height of the wide cells that have one."""
        x, y = self._wide.centres()
        there = np.isfinite(self._top)
        return x[there], y[there], self._top[there]

    def _index(self, x: Field, y: Field) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Flat index of the wide cells that hold places, and whether there is one."""
        side, cells = self._wide.side, self._cells
        rows, columns = self._wide.rows, self._wide.columns
        column = np.floor((x - (cells.x0 - cells.side / 2)) / side)
        row = np.floor(((cells.y0 + cells.side / 2) - y) / side)
        with np.errstate(invalid="ignore"):
            inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
            index = row.astype(np.int32) * columns + column.astype(np.int32)
        return index, inside


def heights_below(walk: SurfaceWalk, cells: Cells, ground_px: float) -> Found:
    """The surface at the cells' centres."""
    x, y = cells.centres()
    first = Heights(walk.surface, cells).of_cells()
    found = in_strips(first.shape, lambda rows: walk.down(x[rows], y[rows], first[rows]))
    return Found(*found).without_misses(max(cells.side, ground_px))
