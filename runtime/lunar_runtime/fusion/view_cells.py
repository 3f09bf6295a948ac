"""An aligned view on the cells of the map."""

from __future__ import annotations

import cv2
import numpy as np

from lunar_runtime.errors import InputError
from lunar_runtime.fusion.alignment import Alignment
from lunar_runtime.fusion.cell_fusion import ViewCells
from lunar_runtime.fusion.posed_view import PosedView
from lunar_runtime.fusion.tiles import SIDE, Window
from lunar_runtime.landing.ground_grid import MOST_CELLS_A_SIDE, grid_on, surface_of

_THIN = 4  # pixels from one that tells the ground's extent to the next
_EDGE = 0.02  # of the points, half on each side: the outermost rim of an oblique view
_MOST = MOST_CELLS_A_SIDE // SIDE - 1  # tiles a side


def view_window(view: PosedView, finest: int | None) -> Window:
    """The tiles that a view is gridded on: its cells are as wide as its pixels, to a factor of √2.

    Args:
        view: Placed in the map.
        finest: Level of the map so far, which a view that is less than twice as coarse keeps.

    Raises:
        InputError: It shows no ground.
    """
    points = view.source.points[::_THIN, ::_THIN]
    surface = surface_of(view.source._replace(points=points), view.frame)
    pixel = float(np.log2(surface.ground_px / _THIN))
    level = finest if finest is not None and 0 < pixel - finest < 1 else round(pixel)
    seen = np.isfinite(surface.x)
    spans = []
    for values in (surface.x, surface.y):
        low, middle, high = (
            float(v) for v in np.quantile(values[seen], [_EDGE / 2, 0.5, 1 - _EDGE / 2])
        )
        half = _MOST * SIDE * 2.0**level / 2
        spans.append((max(low, middle - half), min(high, middle + half)))
    return Window.around(level, spans[0], spans[1])


def view_cells(view: PosedView, aligned: Alignment, window: Window) -> ViewCells:
    """What a view says of a window's cells: only what its images decided, and where light falls.

    Raises:
        InputError: It shows no ground, or none that was decided.
    """
    points = view.source.points * np.float32(aligned.scale)
    cells = window.cells
    grid = grid_on(view.source._replace(points=points), aligned.frame, cells)
    x, y = cells.centres()
    height = grid.height + aligned.lift(x, y)
    own = grid.errors - aligned.shape_errors(x, y)
    local = np.asarray(np.mean(own**2, axis=0), np.float32)
    errors = grid.errors + aligned.errors(x, y, height)
    lit = grid.seen(view.lit.astype(np.uint8), how=cv2.INTER_NEAREST) > 0
    there = grid.measured & lit & np.isfinite(height) & np.isfinite(grid.spacing_m)
    there &= np.isfinite(errors).all(axis=0)
    if not there.any():
        raise InputError(
            "the images decide no ground that is in the light; the map stays as it was"
        )
    return ViewCells(np.where(there, height, np.float32(np.nan)), errors, local, grid.spacing_m)
