"""From a result to the places where a vehicle may stand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import UsageError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.inference.notes import why_relative
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.ground_grid import GridSource, GroundGrid, ground_grid
from lunar_runtime.landing.hazards import (
    MOST_CELLS,
    UNKNOWN,
    Errors,
    Hazards,
    find_hazards,
    require_room,
)
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.sites import Places, Site

# Of the median grey level of the ground: darker ground is in shadow, where nothing is seen.
_SHADOW = 0.1
# Of the roughness, in distances of neighbouring pixels: tops of boulders that a pair smooths away.
# Of places called safe in 40 landings .90 % were hazardous with 0, .78 with .12, .48 with .25; of
# the safe ones 46, 41 and 19 % were found.
_TOPS = 0.15


@dataclass(frozen=True)
class Landing:
    """Where a vehicle may stand, in the ground's frame and as the left view sees it.

    Attributes:
        lander: The vehicle.
        grid: The ground.
        known: (R, C) bool, the cells that count as seen.
        hazards: On it.
        sites: The best first.
        classes: (H, W) float32 of the left view: see `hazards.CLASSES`.
        safe_probability: (H, W) float32 of the left view; NaN = unknown.
        aim: x and y of the aim point, metres in the grid's frame; None = there is none.
        reason: Why nothing is called safe or hazardous; None = something may be.
        views: That made the ground, whose frame is then the world's; None = one pair, and its own.
    """

    lander: Lander
    grid: GroundGrid
    known: NDArray[np.bool_]
    hazards: Hazards
    sites: tuple[Site, ...]
    classes: Field
    safe_probability: Field
    aim: tuple[float, float] | None
    reason: str | None
    views: int | None = None

    @property
    def shares(self) -> dict[int, float]:
        """Class -> share of the places that were tried."""
        counts = np.bincount(self.hazards.classes.ravel(), minlength=3)
        return {
            value: float(count) / self.hazards.classes.size for value, count in enumerate(counts)
        }


def find_landing(
    result: StereoResult, lander: Lander, *, aim_px: tuple[float, float] | None = None
) -> Landing:
    """Try a vehicle on the ground that a pair shows.

    Args:
        result: In metres, with the left view. One that is guessed has no safe place.
        lander: The vehicle.
        aim_px: Column and row of the left image as given, at which the vehicle aims.

    Raises:
        UsageError: The result is relative or has no left view, the footprint does not fit into
            the view, or the aim point lies outside of it.
        InputError: The view shows no ground.
    """
    require_metres(result)
    draws = result.views["left"].draws
    source = GridSource(
        points=result.pointmap_left,
        intrinsics=result.camera_left.intrinsics,
        up=result.up.vector,
        draws=draws,
        refined=result.views["left"].refined,
    )
    grid = ground_grid(source)
    require_room(grid, lander)
    coarser = lander.footprint_diameter_m / MOST_CELLS
    if coarser > grid.cell_m:
        grid = ground_grid(source, coarser)
    reason = None
    known = grid.measured & (grid.seen(lit(result), how=cv2.INTER_NEAREST) > 0)
    if result.verdict == "guessed":
        reason = "the result is a guess, and a guess is no ground to stand on"
        known = np.zeros_like(known)
    errors = Errors(up_deg=result.up.sigma_deg, roughness_px=_TOPS)
    return land_on(Ground(grid, known, errors, reason), result, lander, aim_px=aim_px)


class Ground(NamedTuple):
    """Where a vehicle is tried.

    Attributes:
        grid: In a frame that the left camera of a result sees.
        known: (R, C) bool, the cells that count as seen.
        errors: Beside the grid's draws.
        reason: Why there is nothing to stand on; None = there may be.
        views: See `Landing`.
    """

    grid: GroundGrid
    known: NDArray[np.bool_]
    errors: Errors
    reason: str | None = None
    views: int | None = None


def land_on(
    ground: Ground,
    result: StereoResult,
    lander: Lander,
    *,
    aim_px: tuple[float, float] | None = None,
    kept: Callable[[Places], int | None] | None = None,
) -> Landing:
    """Try a vehicle on ground, and show it as a result's left view sees it.

    Args:
        ground: Of this result, or of a map that it is part of.
        result: In metres, with the left view.
        lander: The vehicle.
        aim_px: As `find_landing`.
        kept: Chooses the place that comes first; None = the best.

    Raises:
        UsageError: As `find_landing`.
    """
    grid, known, errors, reason, views = ground
    hazards = find_hazards(grid, known, lander, errors)
    if reason is None and np.isnan(hazards.safe_probability).all():
        reason = _why_nothing(hazards, lander)
    aim = None if aim_px is None else _aim(result, grid, aim_px)
    seen = _seen_from_camera(result, grid, hazards)
    places = Places.of(grid, hazards, lander, aim=aim)
    return Landing(
        lander=lander,
        grid=grid,
        known=known,
        hazards=hazards,
        sites=tuple(places.ranked(None if kept is None else kept(places))),
        classes=seen[0],
        safe_probability=seen[1],
        aim=aim,
        reason=reason,
        views=views,
    )


def _why_nothing(hazards: Hazards, lander: Lander) -> str:
    seen = hazards.unseen_m[np.isfinite(hazards.slope_deg)]
    if seen.size and float(seen.min()) > lander.footprint_diameter_m:
        return (
            f"the footprint of {lander.footprint_diameter_m:g} m is narrower than three pixels on "
            f"this ground, {float(seen.min()):.3g} m"
        )
    least = 1 - lander.unknown_share
    return f"nowhere is {least:.0%} of a footprint lit, and decided by the images"


def require_metres(result: StereoResult) -> None:
    """Refuse a result on which no vehicle can be tried.

    Raises:
        UsageError: As `find_landing`.
    """
    if "left" not in result.views:
        raise UsageError("`lander` needs the left view; leave out `view` right")
    if result.unit != "m":
        why = why_relative(result.warnings) or (
            "give `rig` with the pose, `baseline_m` or `altitude_m`, and intrinsics"
        )
        raise UsageError(f"`lander` needs metres, and this depth is relative: {why}")


def lit(result: StereoResult) -> NDArray[np.uint8]:
    """(H, W) 1 where the ground is not in shadow."""
    grey, valid = result.left.grey, result.left.valid
    ground = grey if valid is None else grey[valid]
    typical = float(np.median(ground)) if ground.size else 0.0
    return np.asarray(grey > _SHADOW * typical, np.uint8)


def _aim(
    result: StereoResult, grid: GroundGrid, aim_px: tuple[float, float]
) -> tuple[float, float]:
    mapping = result.mapping
    x = (aim_px[0] - mapping.crop_x) * mapping.grid_width / mapping.crop_width
    y = (aim_px[1] - mapping.crop_y) * mapping.grid_height / mapping.crop_height
    column, row = math.floor(x), math.floor(y)
    points = result.pointmap_left
    inside = 0 <= row < points.shape[0] and 0 <= column < points.shape[1]
    if not inside or not np.isfinite(points[row, column]).all():
        raise UsageError(
            f"`aim` {aim_px[0]:g},{aim_px[1]:g}: no ground is seen there; give a pixel of LEFT "
            "whose depth is known"
        )
    at_x, at_y, _ = grid.frame.from_camera(points[row, column])
    return float(at_x), float(at_y)


def _seen_from_camera(
    result: StereoResult, grid: GroundGrid, hazards: Hazards
) -> tuple[Field, Field]:
    """Class and P(safe) of the nearest tried place, for every pixel of the left view."""
    x, y, _ = grid.frame.from_camera(result.pointmap_left)
    step = np.float32(grid.cell_m * hazards.centres.stride)
    with np.errstate(invalid="ignore"):
        column = np.rint((x - np.float32(grid.x0_m)) / step)
        row = np.rint((np.float32(grid.y0_m) - y) / step)
        rows, columns = hazards.centres.size
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    at = np.where(inside, row, 0).astype(np.intp), np.where(inside, column, 0).astype(np.intp)
    classes = np.where(inside, hazards.classes[at].astype(np.float32), np.float32(UNKNOWN))
    probability = np.where(inside, hazards.safe_probability[at], np.float32(np.nan))
    return np.asarray(classes, np.float32), np.asarray(probability, np.float32)
