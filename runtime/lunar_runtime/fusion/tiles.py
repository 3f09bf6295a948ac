"""A pyramid of square tiles in bounded memory: wherever on the ground, as fine as it was seen.

Convention: level L has cells of 2^L metres. x runs along columns, y against rows. Tile (i, j) of a
level begins at x = j · T · cell and y = -i · T · cell, and goes on to larger x and smaller y.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lunar_runtime.fusion.layer import PLANES, Layer
from lunar_runtime.landing.cells import Cells

#: Cells along a side of a tile.
SIDE = 64

_Key = tuple[int, int, int]  # level, row, column


class Window(NamedTuple):
    """Tiles of one level: the first row and column, and those after the last."""

    level: int
    top: int
    left: int
    bottom: int
    right: int

    @staticmethod
    def around(level: int, x: tuple[float, float], y: tuple[float, float]) -> Window:
        """The tiles that cover x and y from the smaller to the larger, metres."""
        tile = SIDE * 2.0**level
        edges = np.floor(np.array([-y[1], x[0], -y[0], x[1]]) / tile).astype(int).tolist()
        return Window(level, edges[0], edges[1], edges[2] + 1, edges[3] + 1)

    @property
    def cells(self) -> Cells:
        """Where its cells lie."""
        side = 2.0**self.level
        return Cells(
            (self.left * SIDE + 0.5) * side,
            -(self.top * SIDE + 0.5) * side,
            side,
            (self.bottom - self.top) * SIDE,
            (self.right - self.left) * SIDE,
        )

    def coarser(self) -> Window:
        """The tiles of twice as wide cells that cover it."""
        return Window(
            self.level + 1, self.top // 2, self.left // 2, -(-self.bottom // 2), -(-self.right // 2)
        )

    def finer(self) -> Window:
        """The tiles of half as wide cells on the same ground."""
        return Window(self.level - 1, *(2 * edge for edge in self[1:]))

    def inside(self, wide: Window) -> tuple[slice, slice]:
        """Its rows and columns in a wider window of the same level."""
        row, column = (self.top - wide.top) * SIDE, (self.left - wide.left) * SIDE
        cells = self.cells
        return slice(row, row + cells.rows), slice(column, column + cells.columns)


class Tiles:
    """The tiles that are kept."""

    def __init__(self, draws: int, most: int) -> None:
        """Start without any.

        Args:
            draws: Of every cell.
            most: Tiles; beyond it those not seen for the longest time are forgotten, first the
                finest of them.
        """
        self.draws = draws
        self.most = most
        self.forgotten = 0
        self._kept: dict[_Key, Layer] = {}
        self._used: dict[_Key, int] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Of all tiles."""
        return sum(tile.data.nbytes for tile in self._kept.values())

    @property
    def levels(self) -> list[int]:
        """With a tile, the finest first."""
        return sorted({key[0] for key in self._kept})

    def read(self, window: Window) -> Layer:
        """A copy of a window of one level; empty where there is no tile."""
        layer = Layer.empty(self.draws, window.cells.rows, window.cells.columns)
        for key, part in _parts(window):
            if key in self._kept:
                layer.data[part] = self._kept[key].data
        return layer

    def write(self, window: Window, layer: Layer, now: int) -> None:
        """Keep a window.

        Args:
            window: Where.
            layer: What; tiles of it that nobody saw are not kept.
            now: Number of the view, that grows.
        """
        for key, part in _parts(window):
            tile = layer.data[part]
            if key in self._kept or Layer(tile).seen.any():
                self._kept[key] = Layer(tile.copy())
                self._used[key] = now
        while len(self._kept) > self.most:
            oldest = min(self._kept, key=lambda key: (self._used[key], key[0]))
            del self._kept[oldest], self._used[oldest]
            self.forgotten += 1

    def composed(self, window: Window) -> Layer:
        """A window from all levels: each cell as the finest level knows it.

        Coarser levels fill what finer ones did not see; finer ones are averaged.
        """
        layer = self.from_coarser(window)
        finer = self._with_finer(window.level)
        for key, part in _parts(window):
            if key in finer:
                fine = self._from_finer(key, finer)
                layer.data[part] = Layer(layer.data[part]).overlaid(fine).data
        return layer

    def from_coarser(self, window: Window) -> Layer:
        """A window as levels with wider cells know it."""
        if window.level >= max(self.levels, default=window.level):
            return Layer.empty(self.draws, window.cells.rows, window.cells.columns)
        wide = window.coarser()
        coarse = self.from_coarser(wide).overlaid(self.read(wide))
        if not coarse.seen.any():
            return Layer.empty(self.draws, window.cells.rows, window.cells.columns)
        rows, columns = window.inside(wide.finer())
        return Layer(coarse.finer().data[:, rows, columns])

    def _with_finer(self, last: int) -> set[_Key]:
        """The tiles that are kept, and those that hold finer ones, up to a level."""
        found: set[_Key] = set()
        for level, i, j in self._kept:
            while level <= last and (level, i, j) not in found:
                found.add((level, i, j))
                level, i, j = level + 1, i // 2, j // 2
        return found

    def _from_finer(self, key: _Key, known: set[_Key]) -> Layer:
        """A tile as it and the finer ones on its ground know it; all of them are small."""
        own = self._kept.get(key, Layer.empty(self.draws, SIDE, SIDE))
        level, i, j = key
        parts = [(a, b, (level - 1, 2 * i + a, 2 * j + b)) for a in (0, 1) for b in (0, 1)]
        if not any(part in known for _, _, part in parts):
            return own
        wide = Layer.empty(self.draws, 2 * SIDE, 2 * SIDE)
        for a, b, part in parts:
            if part in known:
                rows, columns = (slice(k * SIDE, (k + 1) * SIDE) for k in (a, b))
                wide.data[:, rows, columns] = self._from_finer(part, known).data
        return own.overlaid(wide.coarser())


def _parts(window: Window) -> list[tuple[_Key, tuple[slice, slice, slice]]]:
    """Every tile of a window, and where it lies in the window's layer."""
    return [
        (
            (window.level, i, j),
            (
                slice(None),
                slice((i - window.top) * SIDE, (i - window.top + 1) * SIDE),
                slice((j - window.left) * SIDE, (j - window.left + 1) * SIDE),
            ),
        )
        for i in range(window.top, window.bottom)
        for j in range(window.left, window.right)
    ]


def tile_bytes(draws: int) -> int:
    """What one tile takes."""
    return (PLANES + draws) * SIDE * SIDE * 4
