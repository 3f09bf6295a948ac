"""The map as a grid, on which the search for landing sites works as on a single view's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.fusion.datum import Datum
from lunar_runtime.fusion.layer import Layer
from lunar_runtime.fusion.tiles import SIDE, Window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import MOST_CELLS_A_SIDE, GroundGrid
from lunar_runtime.landing.local_frame import LocalFrame
from lunar_runtime.landing.surface_walk import project

#: Share of a view's error, as a variance, that more views of the same ground do not average out.
#: Seen: heights of 16 views err by 0.41 of one view's, which is a share of 0.12; slopes of
#: footprints by 0.65 to 0.7, which is 0.4.
ALIKE = 0.4
_FITTED = 64  # cells a side, of which the shared errors are found
_LEAST = 50  # of them; below that all of a view's errors count as its own
_WIDER = 0.25  # of a view's width on each side: ground that earlier views saw
_MOST = MOST_CELLS_A_SIDE // SIDE - 1  # tiles a side


class MapGrid(NamedTuple):
    """A part of the map.

    Attributes:
        ground: In the world's frame, as the newest camera sees it.
        known: (R, C) bool, where the ground is known.
        left: (R, C) of one view's random errors, what all views together leave; 1 = all.
    """

    ground: GroundGrid
    known: NDArray[np.bool_]
    left: Field


def wider(window: Window, level: int) -> Window:
    """The tiles of a level around a view, half as wide again where that is not too many."""
    edges = np.array(window[1:], np.float64) * 2.0 ** (window.level - level)
    middle = (edges[:2] + edges[2:]) / 2
    half = np.minimum((edges[2:] - edges[:2]) * (0.5 + _WIDER), _MOST / 2)
    first, last = np.floor(middle - half).astype(int), np.ceil(middle + half).astype(int)
    return Window(level, *first.tolist(), *last.tolist())


def layer_grid(
    layer: Layer, window: Window, datum: Datum, frame: LocalFrame, intrinsics: Intrinsics
) -> MapGrid:
    """A window of the map as a grid in the world's frame.

    Args:
        layer: What the map knows in the window.
        window: Where, in the map.
        datum: From the map to the world.
        frame: The world, as the newest camera sees it.
        intrinsics: Of that camera, pixels.
    """
    cells = window.cells
    x, y = cells.centres()
    height = np.where(layer.known, layer.height + datum.lift(x, y), np.float32(np.nan))
    at_x, at_y = (
        (plane + np.float32(move)).astype(np.float32)
        for plane, move in zip((x, y), datum.numbers[:2], strict=True)
    )
    pixel_x, pixel_y = project(intrinsics, frame.to_camera(at_x, at_y, height))
    spacing = np.where(layer.known, layer.spacing, np.float32(np.nan))
    views = np.maximum(layer.views(), 1)
    alike = np.sqrt(1 + np.float32(ALIKE) * (views - 1))
    # What all cells of a view err by is in its draws as it is: the poses', which no views lower.
    more = (alike - 1).astype(np.float32)
    errors = layer.errors + more * _own(layer, x, y) + datum.errors(x, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        samples = np.nan_to_num((np.float32(cells.side) / spacing) ** 2)
    grid = GroundGrid(
        frame=frame,
        cell_m=cells.side,
        x0_m=cells.x0 + float(datum.numbers[0]),
        y0_m=cells.y0 + float(datum.numbers[1]),
        height=height,
        highest=height + layer.out,
        pixel_x=pixel_x,
        pixel_y=pixel_y,
        spacing_m=spacing,
        samples=np.asarray(samples, np.float32),
        errors=np.asarray(errors, np.float32),
        measured=layer.known,
    )
    return MapGrid(grid, layer.known, np.asarray(alike / np.sqrt(views), np.float32))


def _own(layer: Layer, x: Field, y: Field) -> Field:
    """(N, R, C) the part of the errors that cells do not share: less a shift, a tilt and a bend."""
    step = max(1, min(layer.height.shape) // _FITTED)
    height = np.where(layer.known, layer.height, np.float32(np.nan))
    down, right = (np.nan_to_num(slope) for slope in np.gradient(height))
    u, v = ((at - at.mean()) / np.ptp(at) for at in (x, y))
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v, right, down], dtype=np.float32)
    thin = (slice(step // 2, None, step),) * 2
    known = layer.known[thin]
    rows, columns = thin
    fitted, errors = (field[:, rows, columns][:, known] for field in (terms, layer.errors))
    if fitted.shape[1] < _LEAST:
        return layer.errors
    shared = np.linalg.lstsq(fitted.T, errors.T, rcond=None)[0].astype(np.float32)
    own: Field = layer.errors.copy()
    for draw, numbers in zip(own, shared.T, strict=True):
        draw -= np.tensordot(numbers, terms, 1)
    return own
