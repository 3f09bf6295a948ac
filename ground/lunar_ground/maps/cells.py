"""The cells of a map, and which pixel of the left view each of them is seen by.

Cells begin at multiples of their size, in the map's coordinates: maps of one projection and one
size lie on one raster.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.cells import Heights
from lunar_runtime.landing.ground_grid import MOST_CELLS_A_SIDE, GridSource, laid_out
from lunar_runtime.landing.local_frame import MOON_RADIUS_M, LocalFrame, fall
from lunar_runtime.landing.strips import in_strips
from lunar_runtime.landing.surface_walk import NO_PIXEL, Found, SurfaceWalk
from lunar_runtime.landing.visible_surface import taken_at
from numpy.typing import NDArray

from lunar_ground.maps.projection import Array, Projection, lon_lat
from lunar_ground.maps.raster import Raster

Strip = tuple[Field, ...]  # height, lever, column and row of the view
_NOTHING = np.nan, np.nan, NO_PIXEL, NO_PIXEL

# Heights of the Moon are within -9.1 and 10.8 km.
_LOWEST_M, _HIGHEST_M = -15_000.0, 15_000.0
# A plumb line is within half a degree of the radius; the normal of a plane, or a wide view, is not.
_UP_DEG = 20.0
_PACK = 256  # a turned view fills half of its map: the other half is not looked for


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
        return taken_at(np.asarray(values, np.float32), *self._looked_up, how)

    @cached_property
    def _looked_up(self) -> tuple[Field, Field]:
        """Columns and rows as OpenCV counts them: the top-left centre is (0, 0)."""
        return self.pixel_x - np.float32(0.5), self.pixel_y - np.float32(0.5)


def local_cells(source: GridSource, cell_m: float | None = None) -> Cells:
    """Cells of the view's own frame.

    Args:
        source: The view, in metres.
        cell_m: None = the distance of neighbouring pixels on the ground.

    Raises:
        InputError: The view shows no ground.
        UsageError: `cell_m` does not fit the view.
    """
    view = _View.of(source, cell_m)
    raster = Raster.around(*view.first.known()[:2], view.cell_m)
    x, y = (axis.astype(np.float32) for axis in raster.centres())

    def strip(rows: slice) -> Strip:
        first = view.first.at(x, y[rows, None])
        at_x, at_y = np.broadcast_arrays(x, y[rows, None])
        return view.walked(at_x, at_y, view.walk.down(at_x, at_y, first))

    return _cells(view, raster, in_strips(raster.shape, strip))


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
    view = _View.of(source._replace(up=R.T @ middle / np.linalg.norm(middle)), cell_m)
    if projection is None:
        longitude, latitude = lon_lat(middle)
        projection = Projection.near(float(latitude), float(longitude))
    frame, first, walk = view.frame, view.first, view.walk
    x, y, height = (axis.astype(np.float64) for axis in first.known())
    there = np.stack([x, y, height - fall(x, y)], axis=-1) @ frame.axes + frame.origin
    raster = Raster.around(*_on_map(projection, there @ R.T + t), view.cell_m)
    # A point at the radius r along a cell's direction is r * along + offset in the local frame.
    turn = frame.axes @ R.T
    offset = -turn @ t - frame.axes @ frame.origin
    radius = float(np.linalg.norm(middle))
    map_x, map_y = raster.centres()

    # Where the cells' rays are at one radius; from there the way is short enough for float32.
    level_all = _smooth(
        lambda x, y: radius * projection.backward(x, y, turn) + offset[:, None, None],
        map_x,
        map_y,
        _apart(view.cell_m),
    )

    def strip(rows: slice) -> Strip:
        level = [plane[rows] for plane in level_all]
        guess = first.at(level[0], level[1])
        whole = tuple(np.full(guess.shape, nothing, np.float32) for nothing in _NOTHING)
        there = _packed(np.isfinite(guess))
        if not there.size:
            return whole
        x0, y0, z0, height = (np.take(field, there) for field in (*level, guess))
        along = [
            (plane - np.float32(aside)) / np.float32(radius)
            for plane, aside in zip((x0, y0, z0), offset, strict=True)
        ]
        out = (height - fall(x0, y0) - z0) / along[2]  # along the ray from that radius
        for _ in range(2):  # x moves by x / R of what the height does: it settles at once
            x, y = x0 + out * along[0], y0 + out * along[1]
            found = walk.down(x, y, height, 2)
            height = found.height
            out = (height - fall(x, y) - z0) / along[2]
        above = out + np.float32(radius - MOON_RADIUS_M)
        for full, field in zip(whole, view.walked(x, y, found, above), strict=True):
            full.reshape(-1)[there] = field
        return whole

    return _cells(view, raster, in_strips(raster.shape, strip), projection, up_off_deg)


class _View(NamedTuple):
    """A view's surface, and how to come down to it."""

    frame: LocalFrame
    cell_m: float
    first: Heights
    walk: SurfaceWalk
    rim_left_out: bool

    @classmethod
    def of(cls, source: GridSource, cell_m: float | None) -> _View:
        frame, surface, laid = laid_out(source, cell_m)
        # One less by rounding.
        rim_left_out = max(laid.rows, laid.columns) >= MOST_CELLS_A_SIDE - 1
        if cell_m is not None and rim_left_out:
            raise UsageError(
                f"`cell_m` {cell_m:g}: the view is wider than {MOST_CELLS_A_SIDE} such cells; "
                "give a larger one, or a window of the images to lunar-infer"
            )
        walk = SurfaceWalk(source.intrinsics, frame, surface)
        return cls(frame, laid.side, Heights(surface, laid), walk, rim_left_out)

    def walked(self, x: Field, y: Field, found: Found, height: Field | None = None) -> Strip:
        """Height, lever and pixels of what was met; the height may be another one."""
        found = found.without_misses(self.cell_m)
        lever = self.walk.lever(x, y, found)
        if height is None:
            height = found.height
        height = np.where(np.isfinite(found.height), height, np.float32(np.nan))
        return height, lever, found.pixel_x, found.pixel_y


def _cells(
    view: _View,
    raster: Raster,
    fields: list[Field],
    projection: Projection | None = None,
    up_off_deg: float = 0.0,
) -> Cells:
    seen = np.isfinite(fields[0])
    if not seen.any():
        raise InputError("there is no ground to map; check the pair")
    rows, columns = raster.window(seen)
    height, lever, pixel_x, pixel_y = (field[rows, columns] for field in fields)
    return Cells(
        projection,
        view.cell_m,
        (raster.first + columns.start) * view.cell_m,
        (raster.top - rows.start) * view.cell_m,
        height,
        lever,
        pixel_x,
        pixel_y,
        view.rim_left_out,
        up_off_deg,
    )


def _apart(cell_m: float) -> int:
    """How many cells a straight line may pass until the Moon bends off by 1e-4 of one: 1 to 8."""
    cells = math.sqrt(4e-4 * MOON_RADIUS_M / cell_m)  # both ways: (apart · cell)² / 4 R
    return 1 << max(0, min(3, int(math.log2(cells))))


def _smooth(of: Callable[[Array, Array], Array], x: Array, y: Array, apart: int) -> list[Field]:
    """(R, C) float32 each: values that bend little from cell to cell, linear between some of them.

    Args:
        of: From x (c,) and y (r, 1) to (N, r, c) values.
        x: (C,) of the columns, evenly spaced.
        y: (R,) of the rows, evenly spaced.
        apart: Every so many cells they are computed.
    """
    if apart == 1:
        return [plane.astype(np.float32) for plane in of(x, y[:, None])]
    axes = []
    for axis in (x, y):  # middles of so many cells each, and one more on either side
        inside = -(-len(axis) // apart)
        step = (axis[-1] - axis[0]) / max(1, len(axis) - 1)
        axes.append(axis[0] + step * (apart * np.arange(-1, inside + 1) + (apart - 1) / 2))
    found = []
    for plane in of(axes[0], axes[1][:, None]):
        size = apart * plane.shape[1], apart * plane.shape[0]
        full = cv2.resize(plane.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        found.append(full[apart : apart + len(y), apart : apart + len(x)])
    return found


def _on_map(projection: Projection, body: Array) -> tuple[Array, Array]:
    """(N,) x and y of those body-fixed points that the map shows."""
    x, y = projection.forward(body)
    shown = np.isfinite(x)
    if not shown.any():
        raise InputError("the projection does not show this place; leave out `like`")
    return x[shown], y[shown]


def _packed(there: NDArray[np.bool_]) -> NDArray[np.intp]:
    """(n, 256) flat indices of what is there; the last one is repeated at the end."""
    index = np.flatnonzero(there)
    rest = -len(index) % _PACK
    return np.pad(index, (0, rest), mode="edge").reshape(-1, _PACK) if len(index) else index


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
