"""Where a map's cells lie: at multiples of their side, so that maps lie on one raster."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_ground.maps.overviews import levels
from lunar_ground.maps.projection import Array

_RIM = 8  # cells around: of what is known only every fourth cell is told


class Raster(NamedTuple):
    """Cells of a map.

    Attributes:
        cell_m: Side of a cell.
        first: West edge of column 0, in cells.
        top: North edge of row 0, in cells.
        rows: So many.
        columns: So many.
    """

    cell_m: float
    first: int
    top: int
    rows: int
    columns: int

    @classmethod
    def around(cls, x: NDArray[Any], y: NDArray[Any], cell_m: float) -> Raster:
        """Around places, which are not NaN, with a rim."""
        first, low = (math.floor(float(axis.min()) / cell_m) - _RIM for axis in (x, y))
        last, top = (math.ceil(float(axis.max()) / cell_m) + _RIM for axis in (x, y))
        return cls(cell_m, first, top, top - low, last - first)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.columns

    def centres(self) -> tuple[Array, Array]:
        """X of the columns (C,) and y of the rows (R,), metres on the map."""
        x = self.cell_m * (self.first + 0.5 + np.arange(self.columns, dtype=np.float64))
        y = self.cell_m * (self.top - 0.5 - np.arange(self.rows, dtype=np.float64))
        return np.asarray(x), np.asarray(y)

    def window(self, seen: NDArray[np.bool_]) -> tuple[slice, slice]:
        """Rows and columns around what is seen.

        So many of them that every overview halves the one before.
        """
        spans = []
        for axis, most in ((1, self.rows), (0, self.columns)):
            there = np.flatnonzero(seen.any(axis=axis))
            spans.append((int(there[0]), int(there[-1]) + 1, most))
        longest = max(last - first for first, last, _ in spans)
        step = 2 ** levels(longest)
        rows, columns = (_widened(*span, step) for span in spans)
        return rows, columns


def _widened(first: int, last: int, most: int, step: int) -> slice:
    """A span whose length is a multiple, inside of what there is where that suffices."""
    length = -(-(last - first) // step) * step
    start = max(0, min(first, most - length))
    return slice(start, start + length)
