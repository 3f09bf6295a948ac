"""Where a vehicle can stand on ground that is known exactly.

Slope and roughness are the runtime's own (`lunar_runtime.landing.hazards`), on heights without an
error: a place is safe where both are within the vehicle's limits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import GroundGrid, highest_in
from lunar_runtime.landing.hazards import HAZARDOUS, SAFE, UNKNOWN, Hazards, find_hazards
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.local_frame import LocalFrame
from numpy.typing import NDArray

from lunar_calib.render.true_ground import TrueGround

# Cells across a footprint, at least, where the map is so fine: twice the runtime's own. What stands
# out of a cell beside its centre counts too.
_CELLS_ACROSS = 42


@dataclass(frozen=True)
class TrueHazards:
    """Of a vehicle, at the places where it was tried.

    Attributes:
        lander: The vehicle.
        x_m: (c,) float64 of the places, ground's frame, west to east.
        y_m: (r,) float64, south to north.
        slope_deg: (r, c) float32 of the worst way to stand; NaN = the map ends there.
        roughness_m: (r, c) float32; NaN as the slope, and where the slope alone forbids the place.
        classes: (r, c) uint8, see `lunar_runtime.landing.hazards.CLASSES`.
    """

    lander: Lander
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    slope_deg: Field
    roughness_m: Field
    classes: NDArray[np.uint8]

    def at(self, points: NDArray[np.float64]) -> NDArray[np.uint8]:
        """(...) class of the place nearest to each point.

        Args:
            points: (..., 3) metres, ground's frame; NaN = none, which is unknown.
        """
        seen = np.isfinite(points[..., 0])
        inside, at = seen, []
        for axis, places in ((1, self.y_m), (0, self.x_m)):
            step = (places[-1] - places[0]) / max(1, len(places) - 1)
            index = np.rint((np.where(seen, points[..., axis], 0) - places[0]) / step)
            inside = inside & (index >= 0) & (index < len(places))
            at.append(np.clip(index, 0, len(places) - 1).astype(np.intp))
        return np.asarray(np.where(inside, self.classes[at[0], at[1]], UNKNOWN), np.uint8)


def true_hazards(ground: TrueGround, lander: Lander) -> TrueHazards:
    """Try a vehicle on a map without errors.

    Args:
        ground: With a map that goes beyond what matters by half a footprint.
        lander: The vehicle.

    """
    across = lander.footprint_diameter_m / ground.cell_m / _CELLS_ACROSS
    wide = max(1, 2 * int((across - 1) / 2) + 1)  # nodes a side of a cell: one is its centre
    rows, columns = (side // wide for side in ground.map_height_m.shape)
    nodes = ground.map_height_m[: rows * wide, : columns * wide][::-1]
    middle = slice(wide // 2, None, wide)
    height, cell = nodes[middle, middle], wide * ground.cell_m
    first = (wide // 2) * ground.cell_m
    grid = exact_grid(
        LocalFrame(np.zeros(3), np.eye(3)),
        height,
        cell,
        highest=highest_in(nodes, height, wide),
    )
    hazards = find_hazards(grid, np.isfinite(height), lander)
    stride, (r, c) = hazards.centres.stride, hazards.centres.size
    east, north = ground.corner_m
    top = north + first + (rows - 1) * cell
    return TrueHazards(
        lander=lander,
        x_m=east + first + np.float64(stride * cell) * np.arange(c),
        y_m=(top - np.float64(stride * cell) * np.arange(r))[::-1],
        slope_deg=hazards.slope_deg[::-1],
        roughness_m=hazards.roughness_m[::-1],
        classes=true_classes(hazards, lander)[::-1],
    )


def true_classes(hazards: Hazards, lander: Lander) -> NDArray[np.uint8]:
    """(r, c) class of places whose slope and roughness have no error."""
    with np.errstate(invalid="ignore"):
        safe = hazards.slope_deg <= lander.slope_limit_deg
        safe &= hazards.roughness_m <= lander.rise_limit_m
    known = np.isfinite(hazards.slope_deg)
    return np.where(known, np.where(safe, SAFE, HAZARDOUS), UNKNOWN).astype(np.uint8)


def exact_grid(
    frame: LocalFrame,
    height: NDArray[np.floating],
    cell_m: float,
    *,
    corner_m: tuple[float, float] = (0.0, 0.0),
    highest: Field | None = None,
) -> GroundGrid:
    """A grid of heights that have no error.

    Args:
        frame: Of the grid.
        height: (R, C) metres, row 0 has the largest y.
        cell_m: Side of a cell.
        corner_m: x and y of the first cell's centre.
        highest: (R, C) metres, see `GroundGrid`; None = the heights.
    """
    height = np.asarray(height, np.float32)
    nothing = np.zeros(height.shape, np.float32)
    return GroundGrid(
        frame=frame,
        cell_m=cell_m,
        x0_m=corner_m[0],
        y0_m=corner_m[1],
        height=height,
        highest=height if highest is None else highest,
        pixel_x=nothing,
        pixel_y=nothing,
        spacing_m=nothing,
        samples=nothing,
        errors=np.zeros((0, *height.shape), np.float32),
        measured=np.ones(height.shape, np.bool_),
    )
