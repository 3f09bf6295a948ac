"""The cells of a map, and which pixel of the left view each of them is seen by.

Cells begin at multiples of their size, in the map's coordinates: maps of one projection and one
size lie on one raster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.landing.ground_grid import MOST_CELLS_A_SIDE, GridSource, GroundGrid, ground_grid
from lunar_runtime.landing.local_frame import MOON_RADIUS_M, fall
from lunar_runtime.landing.surface_walk import lever, walk
from lunar_runtime.landing.visible_surface import taken, visible_surface
from numpy.typing import NDArray

from lunar_ground.maps.projection import Array, Projection, lon_lat

# Heights of the Moon are within -9.1 and 10.8 km.
_LOWEST_M, _HIGHEST_M = -15_000.0, 15_000.0
# A plumb line is within half a degree of the radius; the normal of a plane, or a wide view, is not.
_UP_DEG = 20.0


@dataclass(frozen=True)
class Cells:
    """A map's raster. Row 0 has the largest y.

    Attributes:
        projection: None = the frame of the view, level, origin below the left camera.
        cell_m: Side of a cell, on the map.
        west_m: x of column 0's left edge.
        north_m: y of row 0's upper edge.
        height: (R, C) float32 metres: above the sphere of 1737.4 km, or, without a projection,
            above the Moon's mean curvature through the frame's origin; NaN = a hole.
        lever: (R, C) float32 metres: what a relative error of depth does to the height.
        pixel_x: (R, C) float32 column of the left result that sees the cell.
        pixel_y: (R, C) float32 row.
        rim_left_out: Whether the view is wider than a map may be, and only its middle is here.
        up_off_deg: Between the result's up and the radius of the Moon; 0 without a projection.
    """

    projection: Projection | None
    cell_m: float
    west_m: float
    north_m: float
    height: NDArray[np.float32]
    lever: NDArray[np.float32]
    pixel_x: NDArray[np.float32]
    pixel_y: NDArray[np.float32]
    rim_left_out: bool
    up_off_deg: float = 0.0

    def seen(self, values: NDArray[Any], how: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        """(R, C) of (H, W) values of the left result; NaN in holes."""
        return taken(np.asarray(values, np.float32), self.pixel_x, self.pixel_y, how)


def local_cells(source: GridSource, cell_m: float | None = None) -> Cells:
    """Cells of the view's own frame.

    Args:
        source: The view, in metres.
        cell_m: None = the distance of neighbouring pixels on the ground.

    Raises:
        InputError: The view shows no ground.
        UsageError: `cell_m` does not fit the view.
    """
    grid = _gridded(source, cell_m)
    x, y = (np.broadcast_to(axis, grid.shape) for axis in _centres_of(grid))
    west, north, xs, ys = _aligned(x, y, grid)
    height = _first(grid, xs, ys)
    surface = visible_surface(source.points, grid.frame)
    found = walk(source.intrinsics, grid.frame, surface, xs, ys, height)
    found = found.without_misses(grid.cell_m)
    moved = lever(surface, grid.frame, xs, ys, found)
    return Cells(
        None,
        grid.cell_m,
        west,
        north,
        found.height,
        moved,
        found.pixel_x,
        found.pixel_y,
        _rim_left_out(grid),
    )


def lunar_cells(
    source: GridSource,
    body_from_left: Array,
    cell_m: float | None = None,
    projection: Projection | None = None,
) -> Cells:
    """Cells of a lunar projection.

    Args:
        source: The view, in metres; its `up` is checked and not used.
        body_from_left: (4, 4) left camera's frame to the Moon's, metres.
        cell_m: None = the distance of neighbouring pixels on the ground.
        projection: None = the one for this place.

    Raises:
        InputError: The view shows no ground, or the pose does not put it on the Moon.
        UsageError: `cell_m` does not fit the view.
    """
    middle, up_off_deg = _place(source, body_from_left)
    R, t = body_from_left[:3, :3], body_from_left[:3, 3]
    radial = middle / np.linalg.norm(middle)
    grid = _gridded(source._replace(up=R.T @ radial), cell_m)
    if projection is None:
        longitude, latitude = lon_lat(middle)
        projection = Projection.near(float(latitude), float(longitude))
    frame = grid.frame
    x, y = (np.broadcast_to(axis, grid.shape) for axis in _centres_of(grid))
    there = np.stack([x, y, grid.height - fall(x, y)], axis=-1).astype(np.float64)
    there = there @ frame.axes + frame.origin
    map_x, map_y = projection.forward(there @ R.T + t)
    west, north, xs, ys = _aligned(map_x, map_y, grid)
    # A point at the radius r along a cell's direction is r * along + offset in the local frame.
    turn = frame.axes @ R.T
    along = projection.backward(xs, ys, turn)
    offset = -turn @ t - frame.axes @ frame.origin
    radius = np.full(xs.shape, np.linalg.norm(middle))
    for _ in range(2):  # x moves by x / R of what the height does: it settles at once
        x, y, z = _local(radius, along, offset)
        radius = _reached(radius, _first(grid, x, y), x, y, z, along[2])
    x, y, z = _local(radius, along, offset)
    surface = visible_surface(source.points, frame)
    found = walk(source.intrinsics, frame, surface, x, y, _first(grid, x, y))
    found = found.without_misses(grid.cell_m)
    radius = _reached(radius, found.height, x, y, z, along[2])
    above = np.where(np.isfinite(found.height), radius - MOON_RADIUS_M, np.nan)
    return Cells(
        projection,
        grid.cell_m,
        west,
        north,
        above.astype(np.float32),
        lever(surface, frame, x, y, found),
        found.pixel_x,
        found.pixel_y,
        _rim_left_out(grid),
        up_off_deg,
    )


def _gridded(source: GridSource, cell_m: float | None) -> GroundGrid:
    grid = ground_grid(source, cell_m)
    if cell_m is not None and _rim_left_out(grid):
        raise UsageError(
            f"`cell_m` {cell_m:g}: the view is wider than {MOST_CELLS_A_SIDE} such cells; "
            "give a larger one, or a window of the images to lunar-infer"
        )
    return grid


def _rim_left_out(grid: GroundGrid) -> bool:
    return max(grid.shape) >= MOST_CELLS_A_SIDE - 1  # one less by rounding


def _local(radius: Array, along: Array, offset: Array) -> tuple[Any, Any, Array]:
    x, y, z = (radius * a + o for a, o in zip(along, offset, strict=True))
    return x.astype(np.float32), y.astype(np.float32), z


def _reached(radius: Array, height: Any, x: Any, y: Any, z: Array, upward: Array) -> Array:
    """Radii at which the cells' rays from the Moon's centre are at these heights."""
    step = (height - fall(x, y) - z) / upward
    return np.where(np.isfinite(step), radius + step, radius)


def _place(source: GridSource, body_from_left: Array) -> tuple[Array, float]:
    """A point in the middle of the ground, body-fixed, and how far `up` is off its radius."""
    points = source.points[::3, ::3]  # enough for medians
    points = points[np.isfinite(points).all(axis=-1)].astype(np.float64)
    if not len(points):
        raise InputError("there is no ground to map; check the pair")
    body = points @ body_from_left[:3, :3].T + body_from_left[:3, 3]
    middle = np.median(body, axis=0)
    level = float(np.median(np.linalg.norm(body, axis=1))) - MOON_RADIUS_M
    if not _LOWEST_M < level < _HIGHEST_M:
        raise InputError(
            f"by the rig's body_from_left the ground is {level / 1000:.4g} km above the Moon's "
            "mean radius; check its direction (left camera into body), its unit (metres) and the "
            "scale of the depth"
        )
    up = body_from_left[:3, :3] @ source.up
    cosine = float(up @ middle / np.linalg.norm(middle))
    off = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
    if off > _UP_DEG:
        raise InputError(
            f"the result's up is {off:.0f} degrees off the Moon's radius by the rig's "
            "body_from_left; check that pose, or up_left"
        )
    return middle, off


def _centres_of(grid: GroundGrid) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    xs, ys = grid.centres()
    return xs, ys[:, None]


def _aligned(x: Any, y: Any, grid: GroundGrid) -> tuple[float, float, Any, Any]:
    """West and north edges at multiples of a cell, and (R, C) centres of what the view shows."""
    seen = np.isfinite(grid.height) & np.isfinite(x) & np.isfinite(y)
    if not seen.any():
        raise InputError("there is no ground to map; check the pair")
    cell, half = grid.cell_m, grid.cell_m / 2
    first = math.floor((float(x[seen].min()) - half) / cell)
    last = math.ceil((float(x[seen].max()) + half) / cell)
    low = math.floor((float(y[seen].min()) - half) / cell)
    top = math.ceil((float(y[seen].max()) + half) / cell)
    xs, ys = np.meshgrid(
        (np.arange(first, last) + 0.5) * cell, (np.arange(top - 1, low - 1, -1) + 0.5) * cell
    )
    if grid.height.dtype == x.dtype:  # the local frame's own coordinates
        xs, ys = xs.astype(np.float32), ys.astype(np.float32)
    return first * cell, top * cell, xs, ys


def _first(grid: GroundGrid, x: Any, y: Any) -> NDArray[np.float32]:
    """(R, C) heights of the ground there; beside a hole those of the highest cell around."""
    lowest = np.float32(-1e9)
    around = np.where(np.isfinite(grid.height), grid.height, lowest)
    around = cv2.dilate(around, np.ones((3, 3), np.uint8))
    at_x = ((x - grid.x0_m) / grid.cell_m).astype(np.float32)
    at_y = ((grid.y0_m - y) / grid.cell_m).astype(np.float32)
    between, nearest = (
        cv2.remap(values, at_x, at_y, how, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)
        for values, how, outside in (
            (grid.height, cv2.INTER_LINEAR, float("nan")),
            (around, cv2.INTER_NEAREST, float(lowest)),
        )
    )
    nearest = np.where(nearest > lowest / 2, nearest, np.float32(np.nan))
    return np.where(np.isfinite(between), between, nearest).astype(np.float32)
