"""Where a vehicle may stand on the map, shown as the newest view sees it."""

from __future__ import annotations

from lunar_runtime.fusion.ground_map import GroundMap, MapUpdate
from lunar_runtime.fusion.site_choice import SiteChoice
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.hazards import MOST_CELLS, Errors
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import Ground, Landing, land_on


def land_on_map(
    ground: GroundMap,
    update: MapUpdate,
    result: StereoResult,
    lander: Lander,
    *,
    choice: SiteChoice | None = None,
    aim_px: tuple[float, float] | None = None,
) -> Landing:
    """Try a vehicle on the map.

    Args:
        ground: With the result in it.
        update: What the result did to the map.
        result: The newest.
        lander: The vehicle.
        choice: Keeps the chosen site from view to view; None = the best of this view comes first.
        aim_px: Column and row of the left image as given, at which the vehicle aims.

    Returns:
        A landing as a single result's: `write_result` takes it. Its grid lies in the world's frame.

    Raises:
        UsageError: The footprint does not fit into the map, or the aim point lies outside of the
            view.
    """
    grid, known = ground.grid(
        update, result.camera_left.intrinsics, lander.footprint_diameter_m / MOST_CELLS
    )
    return land_on(
        Ground(grid, known, Errors()),
        result,
        lander,
        aim_px=aim_px,
        kept=None if choice is None else choice.keep,
    )
