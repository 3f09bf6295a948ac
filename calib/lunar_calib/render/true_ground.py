"""What is true of the ground that a view shows: heights, normals, boulders, and a map around it.

Convention: the ground's frame is the renderer's world. x is east, y is north and z is up at the
target; the origin lies on the sphere through the terrain's mean height. A height is above that
sphere, so that z = height - (x² + y²) / 2R.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.boulders import boulders_of
from lunar_calib.render.raycast import sample_height
from lunar_calib.render.terrain import Terrain
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs import pinhole

Points = NDArray[np.float64]


@dataclass(frozen=True)
class TrueGround:
    """Of the left view, and of the nodes around what it shows.

    Attributes:
        points: (H, W, 3) float64 metres, ground's frame; NaN = no ground.
        height_m: (H, W) float32 above the sphere.
        normal: (H, W, 3) float32 unit vectors of the surface; z is against gravity there.
        rock: (H, W) int32 number of the rock that the pixel shows; 0 = none.
        cell_m: Distance of the map's nodes.
        corner_m: East and north of the map's node [0, 0].
        map_height_m: (R, C) float32 at the nodes, row = north, column = east; bilinear between.
        map_rock: (R, C) int32.
        rocks: (N, 6) float64, those that the map shows: number, x, y, diameter, height, buried
            share; metres.
    """

    points: Points
    height_m: NDArray[np.float32]
    normal: NDArray[np.float32]
    rock: NDArray[np.int32]
    cell_m: float
    corner_m: tuple[float, float]
    map_height_m: NDArray[np.float32]
    map_rock: NDArray[np.int32]
    rocks: Points


def true_ground(pair: RenderedPair, terrain: Terrain, beyond_m: float = 0.0) -> TrueGround:
    """Look it up.

    Args:
        pair: Rendered.
        terrain: What it was rendered from.
        beyond_m: How far the map goes beyond what the left view shows.
    """
    left, site = pair.left, np.asarray(pair.spec.site_m)
    points = pinhole.transform(left.cam2world, pinhole.unproject(left.depth_m, left.intrinsics))
    seen = np.isfinite(points[..., 0])
    east, north = (np.where(seen, points[..., i] + site[i], 0) for i in (0, 1))
    height, rise_x, rise_y = sample_height(terrain, east, north)
    normal = np.stack([-rise_x, -rise_y, np.ones_like(rise_x)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    height[~seen], normal[~seen] = np.nan, np.nan
    numbers, boulders = _numbered(terrain)
    n, cell = terrain.spec.cells, terrain.cell_m
    nearest = (np.rint(along / cell).astype(np.int64) % n for along in (north, east))
    rock = np.where(seen, numbers[tuple(nearest)], 0)
    rows, columns = (_nodes(along[seen], cell, beyond_m) for along in (north, east))
    around = np.ix_(rows % n, columns % n)
    map_rock = numbers[around]
    corner = columns[0] * cell - site[0], rows[0] * cell - site[1]
    rocks = _listed(boulders, map_rock, (rows, columns), terrain)
    rocks[:, 1:3] += corner
    return TrueGround(
        points=points,
        height_m=height.astype(np.float32),
        normal=normal.astype(np.float32),
        rock=rock.astype(np.int32),
        cell_m=cell,
        corner_m=(float(corner[0]), float(corner[1])),
        map_height_m=terrain.height_m[around],
        map_rock=map_rock,
        rocks=rocks,
    )


def _nodes(along: Points, cell: float, beyond_m: float) -> NDArray[np.int64]:
    """Of an axis, those around what is seen; they may lie beyond the heightfield, which repeats."""
    first = math.floor((float(along.min()) - beyond_m) / cell)
    last = math.ceil((float(along.max()) + beyond_m) / cell)
    return np.arange(first, last + 1)


def _numbered(terrain: Terrain) -> tuple[NDArray[np.int32], Points]:
    """(N, N) number of the boulder at every node, from 1 on, and (M, 5) of all of them.

    Boulders may lie on each other. The one that adds most is shown. Of each: row and column of its
    middle, diameter, height, buried share.
    """
    n = terrain.spec.cells
    numbers, most = np.zeros((n, n), np.int32), np.zeros((n, n), np.float32)
    boulders = []
    for number, one in enumerate(boulders_of(terrain.spec), 1):
        half = len(one.rise_m) // 2
        aside = np.arange(-half, half + 1)
        there = np.ix_((one.row + aside) % n, (one.column + aside) % n)
        higher = one.covers & (one.rise_m > most[there])
        numbers[there] = np.where(higher, number, numbers[there])
        most[there] = np.where(higher, one.rise_m, most[there])
        boulders.append((one.row, one.column, one.diameter_m, one.height_m, one.buried_share))
    return numbers, np.array(boulders, np.float64).reshape(-1, 5)


def _listed(
    boulders: Points,
    shown: NDArray[np.int32],
    nodes: tuple[NDArray[np.int64], NDArray[np.int64]],
    terrain: Terrain,
) -> Points:
    """(N, 6) of those on a map: number, x and y from its first node, the rest.

    The heightfield repeats: of each rock the one nearest to the map's middle is told.
    """
    n, numbers = terrain.spec.cells, np.unique(shown[shown > 0])
    found = boulders[numbers - 1]
    for axis, along in enumerate(nodes):
        middle = (along[0] + along[-1]) / 2
        at = found[:, axis] + n * np.rint((middle - found[:, axis]) / n)
        found[:, axis] = (at - along[0]) * terrain.cell_m
    return np.column_stack([numbers, found[:, 1], found[:, 0], found[:, 2:]])
