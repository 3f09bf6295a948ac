"""A refined view as heights on a grid of the ground.

Every cell's height is that of the surface at the cell's centre, found by walking down the vertical
through it: the surface is neither averaged nor thinned. Where the view shows two surfaces above
each other, the higher one counts. Nothing is drawn across a depth step: the cells behind it are
holes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.cells import Cells, heights_below
from lunar_runtime.landing.local_frame import LocalFrame, level_frame
from lunar_runtime.landing.surface_walk import Found, SurfaceWalk
from lunar_runtime.landing.visible_surface import (
    VisibleSurface,
    taken,
    visible_surface,
)

#: Beyond that the least dense rim of an oblique view is left out.
MOST_CELLS_A_SIDE = 1024
# Samples a side of a cell -> below how many pixels a side.
_PARTS = ((1, 1.5), (3, 4.0), (5, math.inf))
_EDGE = 0.02  # of the points: those beyond are left to the rim


@dataclass(frozen=True)
class GroundGrid:
    """Heights of the ground. Row 0 has the largest y, column 0 the smallest x.

    Attributes:
        frame: Where the grid lies.
        cell_m: Side of a cell.
        x0_m: x of column 0's centre.
        y0_m: y of row 0's centre.
        height: (R, C) float32 metres at the cells' centres; NaN = a hole.
        highest: (R, C) float32 metres: `height`, and what stands out of the cell's slope inside it
            where the view sees more than the centre. On a plane both are the same.
        pixel_x: (R, C) float32 column of the view that sees the cell, top-left centre (0.5, 0.5).
        pixel_y: (R, C) float32 row.
        spacing_m: (R, C) float32 distance of neighbouring pixels on the ground, the larger of both
            directions.
        samples: (R, C) float32 pixels of the view that fall on the cell.
        errors: (N, R, C) float32 metres, of the height, one random draw each; N = 0 where the
            pair was not refined.
        measured: (R, C) bool, where the images decided the surface.
    """

    frame: LocalFrame
    cell_m: float
    x0_m: float
    y0_m: float
    height: Field
    highest: Field
    pixel_x: Field
    pixel_y: Field
    spacing_m: Field
    samples: Field
    errors: Field
    measured: NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.height.shape
        return rows, columns

    def centres(self) -> tuple[Field, Field]:
        """X of the columns (C,) and y of the rows (R,), metres."""
        rows, columns = self.shape
        return Cells(self.x0_m, self.y0_m, self.cell_m, rows, columns).axes()

    def seen(self, values: NDArray[Any], *, how: int = cv2.INTER_LINEAR) -> NDArray[Any]:
        """(R, C) of what the view shows: (H, W) values on the cells; NaN, or 0, in holes."""
        return taken(values, self.pixel_x, self.pixel_y, how)


class GridSource(NamedTuple):
    """What a grid is made of.

    Attributes:
        points: (H, W, 3) float32 metres, left camera's frame; NaN = invalid.
        intrinsics: Of the left camera, pixels of `points`.
        up: (3,) unit vector against gravity.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) relative errors of Z, or None.
        refined: (H, W) bool, or None.
    """

    points: NDArray[np.float32]
    intrinsics: Intrinsics
    up: NDArray[np.float64]
    draws: Field | None = None
    refined: NDArray[np.bool_] | None = None


def ground_grid(
    source: GridSource, cell_m: float | None = None, *, like: GroundGrid | None = None
) -> GroundGrid:
    """Grid the left view.

    Args:
        source: The view.
        cell_m: Side of a cell; None = the median distance of neighbouring pixels on the ground.
        like: Take the frame and the cells of this grid.

    Raises:
        InputError: The view shows no ground that could be gridded.
        UsageError: `cell_m` is not a length that fits the view.
    """
    if like is not None:
        rows, columns = like.shape
        return grid_on(source, like.frame, Cells(like.x0_m, like.y0_m, like.cell_m, rows, columns))
    frame, surface, cells = laid_out(source, cell_m)
    return grid_on(source, frame, cells, surface)


def laid_out(
    source: GridSource, cell_m: float | None = None
) -> tuple[LocalFrame, VisibleSurface, Cells]:
    """The frame of a view, its surface, and the cells that it covers.

    Args:
        source: The view.
        cell_m: As `ground_grid`.

    Raises:
        InputError: As `ground_grid`.
        UsageError: As `ground_grid`.
    """
    frame = level_frame(source.points, source.up)
    surface = surface_of(source, frame)
    if cell_m is not None and not (math.isfinite(cell_m) and cell_m > 0):
        raise UsageError(f"`cell_m` {cell_m:g}: needs to be a positive length in metres")
    cell = _two_digits(surface.ground_px) if cell_m is None else float(cell_m)
    return frame, surface, _extent(surface, cell)


def surface_of(source: GridSource, frame: LocalFrame) -> VisibleSurface:
    """The surface of a view in a frame.

    Raises:
        InputError: It shows no ground that could be gridded.
    """
    surface = visible_surface(source.points, frame)
    if np.count_nonzero(np.isfinite(surface.x)) < 16:
        raise InputError("there is no ground to map; check the pair")
    return surface


def grid_on(
    source: GridSource, frame: LocalFrame, cells: Cells, surface: VisibleSurface | None = None
) -> GroundGrid:
    """Grid the left view on cells that are told.

    Args:
        source: The view.
        frame: Of the cells.
        cells: Where heights are wanted.
        surface: The view's in the frame, if it is at hand.

    Raises:
        InputError: As `surface_of`.
    """
    surface = surface or surface_of(source, frame)
    ground_px = surface.ground_px
    cell = cells.side
    finer = _finer(cell / ground_px)
    parts = cells.split(finer)
    walk = SurfaceWalk(source.intrinsics, frame, surface)
    fine = heights_below(walk, parts, ground_px)
    middle = (slice(finer // 2, None, finer),) * 2
    found = Found(*(plane[middle] for plane in fine))
    height, pixel_x, pixel_y = found.height, found.pixel_x, found.pixel_y
    x, y = cells.centres()
    area = taken(surface.area, pixel_x, pixel_y)
    with np.errstate(invalid="ignore", divide="ignore"):
        samples = np.where(np.isfinite(height), np.float32(cell * cell) / area, 0)
    refined = source.refined
    if refined is None:
        refined = np.ones(source.points.shape[:2], np.bool_)
    return GroundGrid(
        frame=frame,
        cell_m=cell,
        x0_m=cells.x0,
        y0_m=cells.y0,
        height=height,
        highest=highest_in(fine.height, height, finer),
        pixel_x=pixel_x,
        pixel_y=pixel_y,
        spacing_m=taken(surface.spacing, pixel_x, pixel_y),
        samples=np.asarray(np.nan_to_num(samples), np.float32),
        errors=_height_errors(source.draws, walk, x, y, found),
        measured=taken(refined.astype(np.float32), pixel_x, pixel_y) > 0.5,
    )


def _finer(pixels: float) -> int:
    """Samples a side of a cell that is so many pixels wide: an odd number."""
    return next(parts for parts, most in _PARTS if pixels < most)


def highest_in(fine: Field, height: Field, finer: int) -> Field:
    """(R, C) height plus the most that a part of the cell stands out of the cell's slope.

    Args:
        fine: (R · finer, C · finer) heights of the cells' parts.
        height: (R, C) of the cells.
        finer: Parts a side.
    """
    if finer == 1:
        return height
    along_x, along_y = _flatter(height), _flatter(height.T).T
    highest = height.copy()
    for row in range(finer):
        for column in range(finer):
            aside = ((part - (finer - 1) / 2) / finer for part in (column, row))
            right, down = aside
            slope = along_x * np.float32(right) + along_y * np.float32(down)
            out = fine[row::finer, column::finer] - slope
            highest = np.fmax(highest, out)
    return np.asarray(np.where(np.isfinite(height), highest, np.nan), np.float32)


def _flatter(height: Field) -> Field:
    """Rise per cell along rows, of both sides the flatter: a boulder beside tilts no cell."""
    rise = np.diff(height, axis=1)
    nothing = np.full((len(height), 1), np.nan, np.float32)
    left, right = np.hstack([nothing, rise]), np.hstack([rise, nothing])
    with np.errstate(invalid="ignore"):
        use_left = ~(np.abs(right) <= np.abs(left)) & np.isfinite(left)
    return np.asarray(np.nan_to_num(np.where(use_left, left, right)), np.float32)


def _two_digits(length: float) -> float:
    digits = 1 - math.floor(math.log10(length))
    return round(length, digits)


def _extent(surface: VisibleSurface, cell: float) -> Cells:
    """The cells that a view's surface covers."""
    dense = np.isfinite(surface.x)
    spans = []
    for values in (surface.x, surface.y):
        low, high = (float(v) for v in np.quantile(values[dense][::7], [_EDGE / 2, 1 - _EDGE / 2]))
        rim = (high - low) * _EDGE
        low, high = low - rim, high + rim
        most = MOST_CELLS_A_SIDE * cell
        if high - low > most:
            middle = float(np.median(values[dense][::7]))
            low = min(max(low, middle - most / 2), high - most)
            high = low + most
        count = int((high - low) / cell)
        if count < 3:
            raise UsageError(
                f"`cell_m` {cell:g}: the view is {high - low:.3g} m wide; give a smaller cell"
            )
        spans.append((low + cell / 2, count))
    (x0, columns), (y_last, rows) = spans
    return Cells(x0, y_last + (rows - 1) * cell, cell, rows, columns)


def _height_errors(
    draws: Field | None, walk: SurfaceWalk, x: Field, y: Field, found: Found
) -> Field:
    """(N, R, C): every draw moves the surface along the rays; seen on the vertical."""
    if draws is None:
        return np.zeros((0, *found.height.shape), np.float32)
    moved = walk.lever(x, y, found)
    half_x, half_y = found.pixel_x * np.float32(0.5), found.pixel_y * np.float32(0.5)

    def there(four: Field) -> list[Field]:
        planes = np.ascontiguousarray(np.moveaxis(four, 0, -1))
        errors = taken(planes, half_x, half_y, beyond=cv2.BORDER_REPLICATE)
        return [plane * moved for plane in cv2.split(errors)]

    # One remap of four planes takes the time of two.
    fours = at_once(there, (draws[i : i + 4] for i in range(0, len(draws), 4)))
    return np.stack([error for four in fours for error in four])
