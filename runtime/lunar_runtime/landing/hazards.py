"""What the ground does to a vehicle, and how sure that is: slope, roughness, P(safe), classes.

Slope is that of the plane through the pads that carry the vehicle, of the worst heading. Roughness
is the highest ground above that plane inside the footprint, again of the worst heading. P(safe) is
the probability that both are within the vehicle's limits, from the surface's own random draws:
every draw moves all cells together, as the errors of a stereo surface do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import UsageError
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.footprint_draws import FootprintDraws
from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.long_tails import ROUGHNESS, SLOPE, at_most
from lunar_runtime.landing.rocks import unseen_rock_free
from lunar_runtime.landing.roughness import roughness
from lunar_runtime.landing.stance import Centres, disc, pad_ground, pad_heights, stand

UNKNOWN, SAFE, HAZARDOUS = 0, 1, 2
#: Class -> its value in `hazard.tif`.
CLASSES = {"unknown": UNKNOWN, "safe": SAFE, "hazardous": HAZARDOUS}

#: Share of places that nothing speaks against and that are hazardous all the same: boulders which
#: the surface does not show at all. Where P was over .99, 40 landings had .0003 more hazardous
#: places than it said; over which pairs come, up to .005. On 57 others it was .005, and with it
#: nothing.
MISSED = 0.005
#: Cells across a footprint, at most: finer ground is gridded more coarsely.
MOST_CELLS = 21
_LEAST_CELLS = 3  # below that the footprint's inside is not seen
_CENTRES_ACROSS = 5  # of a footprint: so near to each other is the vehicle tried
_MOST_CENTRES = 70_000  # of small footprints no more are tried: every second cell of 512 x 512
# Of a pixel: what it smoothes away of the ground stands out by no more where it is wider. With no
# limit 11 % of StereoLunar's safe ground was found, at 62 m a pixel, and with it 43 %.
_BOULDER_M = 1.0
_SURE = 4.0  # sigmas beyond the slope's limit, where roughness does not matter any more


class Errors(NamedTuple):
    """What is beside the draws in the expected errors of a footprint.

    Attributes:
        up_deg: Root mean square of up's angle to gravity: every draw is tilted by it.
        slope_deg: Of the footprint's slope, what the draws do not tell.
        roughness_cells: Of the roughness, in cells.
        roughness_px: Of the roughness, in distances of neighbouring pixels on the ground, of a
            metre at most: boulders that the surface smoothes away. One, or (R, C) of the grid.
    """

    up_deg: float = 0.0
    slope_deg: float = 0.0
    roughness_cells: float = 0.0
    roughness_px: float | Field = 0.0


@dataclass(frozen=True)
class Hazards:
    """At every tried centre, (r, c) each.

    Attributes:
        centres: Where the vehicle was tried, in cells of the grid.
        slope_deg: float32, worst way to stand; NaN = unknown.
        slope_sigma_deg: float32 expected error of it.
        roughness_m: float32; NaN = unknown, or the slope alone forbids the place.
        roughness_sigma_m: float32.
        unknown_share: float32 of the footprint's cells.
        safe_probability: float32; NaN = unknown.
        classes: uint8; see `CLASSES`.
        unseen_m: float32 size below which a hazard cannot be seen: three times the distance of
            neighbouring pixels on the ground.
    """

    centres: Centres
    slope_deg: Field
    slope_sigma_deg: Field
    roughness_m: Field
    roughness_sigma_m: Field
    unknown_share: Field
    safe_probability: Field
    classes: NDArray[np.uint8]
    unseen_m: Field


def find_hazards(
    grid: GroundGrid,
    known: NDArray[np.bool_],
    lander: Lander,
    errors: Errors | None = None,
    *,
    stride: int | None = None,
) -> Hazards:
    """Try the vehicle everywhere.

    Args:
        grid: Heights of the ground, with draws of their errors.
        known: (R, C) bool: False in shadow, where saturated, where the images did not decide.
        lander: The vehicle.
        errors: Beside the draws.
        stride: Cells from one tried centre to the next; None = a fifth of the footprint, and more
            where there would be too many.

    Raises:
        UsageError: The footprint does not fit into the view.
    """
    require_room(grid, lander)
    errors = errors or Errors()
    cell = grid.cell_m
    across = lander.footprint_diameter_m / cell
    if stride is None:
        most = math.ceil(math.sqrt(grid.height.size / _MOST_CENTRES))
        stride = max(1, round(across / _CENTRES_ACROSS), most)
    centres = Centres(grid.shape, stride)
    ground = np.where(known, grid.height, np.float32(np.nan))
    highest = np.where(known, grid.highest, np.float32(np.nan))
    share = _unknown_share(np.isfinite(ground), across, centres)
    pads = pad_heights(pad_ground(highest, lander, cell), lander, cell, centres)
    planes = stand(pads, lander.pad_radius_m)
    with np.errstate(invalid="ignore"):
        slope = planes.slope().max(axis=0)
        stands = np.isfinite(slope) & (share <= lander.unknown_share)
        stands &= np.isfinite(ground[:: centres.stride, :: centres.stride])
    slope[~stands] = np.nan
    draws = FootprintDraws(grid.errors, np.isfinite(ground), lander, cell, centres, pads)
    steepness = np.degrees(np.arctan(slope))
    slope_sigma = np.hypot(
        draws.slope_sigma_deg(slope, planes, errors.up_deg), np.float32(errors.slope_deg)
    )
    with np.errstate(invalid="ignore"):
        tried = stands & (
            steepness <= np.float32(lander.slope_limit_deg) + np.float32(_SURE) * slope_sigma
        )
    found = roughness(highest, planes, across, cell, centres, tried)
    spacing = np.nan_to_num(grid.spacing_m[:: centres.stride, :: centres.stride])
    lumps = np.minimum(spacing, np.float32(_BOULDER_M))
    lost_px = np.broadcast_to(np.asarray(errors.roughness_px, np.float32), grid.shape)
    lost = lost_px[:: centres.stride, :: centres.stride] * lumps
    detail = np.hypot(np.float32(errors.roughness_cells * cell), lost)
    rough_sigma = np.hypot(draws.roughness_sigma_m(found, planes), detail.astype(np.float32))
    unseen = np.float32(_LEAST_CELLS) * spacing
    within_slope = at_most(lander.slope_limit_deg, steepness, slope_sigma, SLOPE)
    within_roughness = at_most(lander.rise_limit_m, found.height_m, rough_sigma, ROUGHNESS)
    probability = within_slope * np.where(tried, within_roughness, 0)
    probability *= np.float32(1 - MISSED) * unseen_rock_free(lander, unseen)
    # Of what is inside such a footprint nothing is known: a law of rocks says nothing of slopes.
    hidden = unseen > lander.footprint_diameter_m
    probability = np.where(stands & ~hidden, probability, np.float32(np.nan)).astype(np.float32)
    return Hazards(
        centres=centres,
        slope_deg=steepness,
        slope_sigma_deg=slope_sigma,
        roughness_m=found.height_m,
        roughness_sigma_m=np.where(tried, rough_sigma, np.float32(np.nan)),
        unknown_share=share,
        safe_probability=probability,
        classes=_classes(probability, lander),
        unseen_m=unseen,
    )


def require_room(grid: GroundGrid, lander: Lander) -> None:
    """Refuse ground that is narrower than the vehicle.

    Raises:
        UsageError: The footprint does not fit into the view.
    """
    narrow = min(grid.shape) * grid.cell_m
    if lander.footprint_diameter_m > narrow:
        raise UsageError(
            f"the lander's footprint of {lander.footprint_diameter_m:g} m is larger than the view "
            f"({narrow:.3g} m); give a smaller vehicle or a wider view"
        )


def _classes(probability: Field, lander: Lander) -> NDArray[np.uint8]:
    """Safe from the vehicle's own probability on; hazardous where more likely than not."""
    classes = np.full(probability.shape, UNKNOWN, np.uint8)
    with np.errstate(invalid="ignore"):
        classes[probability >= lander.safe_probability] = SAFE
        classes[probability < 0.5] = HAZARDOUS
    return classes


def _unknown_share(known: NDArray[np.bool_], across: float, centres: Centres) -> Field:
    """(r, c) of the footprint's cells; what lies beyond the grid is unknown."""
    kernel = disc(across).astype(np.float32)
    reach = kernel.shape[0] // 2
    beyond = np.pad((~known).astype(np.float32), reach, constant_values=1)
    share = cv2.filter2D(beyond, cv2.CV_32F, kernel / kernel.sum(), borderType=cv2.BORDER_CONSTANT)
    inside = share[reach : share.shape[0] - reach, reach : share.shape[1] - reach]
    return np.clip(inside[:: centres.stride, :: centres.stride], 0, 1)
