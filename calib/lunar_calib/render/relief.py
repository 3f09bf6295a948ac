"""Ground for a camera that comes nearer: a coarse heightfield, and finer ones within it.

Level 0 is a terrain. Each level above has half the distance of nodes, and adds relief of its own:
texture, craters and boulders of three to six of its cells, which the level below could not hold.
What is between the nodes of the level below is interpolated by cubics through four of them, so that
these nodes keep their heights but for what is added. Every level is periodic, each in a place of
its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.boulders import add_boulders
from lunar_calib.render.craters import add_craters
from lunar_calib.render.terrain import (
    Terrain,
    add_fine_texture,
    gradient_of,
    synthesise_terrain,
)
from lunar_calib.specs.pair_spec import TerrainSpec

Field = NDArray[np.float32]

_TILE = 1024  # cells of a level's own relief along a side: wider than what one frame shows of it
_BAND = 6.0  # cells: the largest crater of a level; the smallest has 3, and the level below has 6
_ALBEDO_CELLS = 4  # of the ground for one of the albedo
_OCTAVE_ALBEDO = 0.3  # of the coarsest level's contrast, for each finer level


@dataclass(frozen=True)
class WindowTerrain(Terrain):
    """A square window of a relief; it wraps around at its edges, where nothing must be seen.

    Attributes:
        texture: (N / 4, N / 4) float32 relative albedo.
        corner_m: East and north of node (0, 0), metres.
    """

    texture: Field
    corner_m: tuple[float, float]

    @property
    def box_m(self) -> tuple[float, float, float, float]:
        """Least and largest east, least and largest north of its nodes, metres."""
        extent = (self.spec.cells - 1) * self.cell_m
        east, north = self.corner_m
        return east, east + extent, north, north + extent

    @cached_property
    def albedo(self) -> Field:
        """The window's own."""
        return self.texture


class Relief:
    """All levels of a descent's ground, which is at height 0 at node (0, 0) of the finest.

    Args:
        spec: Of level 0.
        levels: How many there are above it.
    """

    def __init__(self, spec: TerrainSpec, levels: int) -> None:
        self._spec = spec
        self._base = synthesise_terrain(spec)
        self._details = [_detail(self.spec_of(level)) for level in range(1, levels + 1)]
        self._albedos = [_albedo(self.spec_of(level)) for level in range(1, levels + 1)]
        self._sunk_m = np.float32(0)
        self._sunk_m = self._heights(levels, 0, 0, 2, 2)[0, 0]

    @property
    def levels(self) -> int:
        """The finest level."""
        return len(self._details)

    def spec_of(self, level: int) -> TerrainSpec:
        """What a level's own relief is made from."""
        if level == 0:
            return self._spec
        cell = self._spec.cell_m / 2**level
        return replace(
            self._spec,
            seed=self._spec.seed + 1000 * level,
            cells=_TILE,
            cell_m=cell,
            crater_max_m=min(self._spec.crater_max_m, _BAND * cell),
            fresh_craters=0,
            boulder_max_m=min(self._spec.boulder_max_m, _BAND * cell),
        )

    def level_for(self, cell_m: float) -> int:
        """The coarsest level whose nodes are no further apart, or the finest there is."""
        level = 0
        while level < self.levels and self._spec.cell_m / 2**level > cell_m:
            level += 1
        return level

    def window(self, level: int, box_m: tuple[float, float, float, float]) -> WindowTerrain:
        """The ground in a box as a terrain.

        Args:
            level: Of its nodes.
            box_m: Least and largest east, least and largest north, metres.
        """
        cell = self._spec.cell_m / 2**level
        side = max(box_m[1] - box_m[0], box_m[3] - box_m[2]) / cell
        cells = math.ceil((side + 2 + _ALBEDO_CELLS) / 128) * 128
        # Of the albedo's nodes, so that both start in one place.
        column, row = (
            math.floor(low / cell / _ALBEDO_CELLS) * _ALBEDO_CELLS for low in (box_m[0], box_m[2])
        )
        height = self._heights(level, row, column, cells, cells)
        quarter = (row // _ALBEDO_CELLS, column // _ALBEDO_CELLS, cells // _ALBEDO_CELLS)
        return WindowTerrain(
            spec=replace(self.spec_of(level), cells=cells, cell_m=cell),
            height_m=height,
            gradient=gradient_of(height, cell),
            texture=self._texture(level, *quarter),
            corner_m=(column * cell, row * cell),
        )

    def _heights(self, level: int, row: int, column: int, rows: int, columns: int) -> Field:
        if level == 0:
            base = _wrapped(self._base.height_m, row, column, rows, columns)
            return np.asarray(base - self._sunk_m)
        coarse = self._heights(
            level - 1, row // 2 - 1, column // 2 - 1, rows // 2 + 4, columns // 2 + 4
        )
        fine = _halved(_halved(coarse).T).T[row % 2 :, column % 2 :][:rows, :columns]
        own = _wrapped(self._details[level - 1], row, column, rows, columns)
        return np.asarray(fine + own)

    def _texture(self, level: int, row: int, column: int, cells: int) -> Field:
        if level == 0:
            return _wrapped(self._base.albedo, row, column, cells, cells)
        coarse = self._texture(level - 1, row // 2 - 1, column // 2 - 1, cells // 2 + 4)
        fine = _halved(_halved(coarse).T).T[row % 2 :, column % 2 :][:cells, :cells]
        own = _wrapped(self._albedos[level - 1], row, column, cells, cells)
        return np.asarray(fine + own)


def _halved(field: Field) -> Field:
    """Rows at half the distance: from the second row to the last but two, and between them.

    Between two nodes: the cubic through the four nearest.
    """
    a, b, c, d = field[:-3], field[1:-2], field[2:-1], field[3:]
    between = (np.float32(9) * (b + c) - (a + d)) * np.float32(1 / 16)
    out = np.empty((2 * len(b), field.shape[1]), np.float32)
    out[::2], out[1::2] = b, between
    return out


def _wrapped(field: Field, row: int, column: int, rows: int, columns: int) -> Field:
    """A window of a periodic field."""
    across = field.take(np.arange(row, row + rows), axis=0, mode="wrap")
    return np.ascontiguousarray(
        across.take(np.arange(column, column + columns), axis=1, mode="wrap")
    )


def _detail(spec: TerrainSpec) -> Field:
    height = np.zeros((spec.cells, spec.cells), np.float32)
    add_fine_texture(height, spec, np.random.default_rng([spec.seed, 1]))
    add_craters(height, spec, np.random.default_rng([spec.seed, 2]))
    add_boulders(height, spec, np.random.default_rng([spec.seed, 4]))
    return np.asarray(height - height.mean(), dtype=np.float32)


def _albedo(spec: TerrainSpec) -> Field:
    cells = spec.cells // _ALBEDO_CELLS
    texture = np.zeros((cells, cells), np.float32)
    add_fine_texture(texture, replace(spec, cells=cells), np.random.default_rng([spec.seed, 3]))
    return np.asarray(texture * np.float32(_OCTAVE_ALBEDO / texture.std()), dtype=np.float32)
