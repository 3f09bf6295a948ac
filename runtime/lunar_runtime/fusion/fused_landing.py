"""Where a vehicle may stand, from all pairs of a descent so far.

    landings = FusedLanding(lander)
    for result, world_from_left in descent:
        landing = landings.see(result, world_from_left, PoseSigma(0.5, 0.05))
        write_result(result, folder, landing=landing)

What is written is a single result's files: classes and sites as the newest view sees them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from lunar_runtime.fusion.ground_map import MOST_MB, GroundMap, MapUpdate
from lunar_runtime.fusion.posed_view import PoseSigma, posed_view
from lunar_runtime.fusion.site_choice import SiteChoice
from lunar_runtime.fusion.tiles import Window
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.hazards import MOST_CELLS, Errors
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import Ground, Landing, land_on

# Expected error of the roughness beside the draws, in distances of neighbouring pixels: the tops of
# boulders that every view smoothes away, and that no number of views brings back.
_TOPS = 0.5
# The same beside it, for one view's random error averaged away: it makes ground look rougher, and
# so hides that tops are missing. Of the places of a rendered descent, a sixth of it under boulders,
# that were called safe, 2.8 % were hazardous with one view. With sixteen, which average 0.7 of it
# away, 4.8 % with 0, 3.4 with 0.08, 3.0 with 0.10, 2.6 with 0.13 and 2.2 with 0.145.
_CALMED = 0.14


class FusedLanding:
    """A vehicle that looks for its site while it comes down.

    Attributes:
        lander: The vehicle.
        ground: The map.
        choice: The site that it heads for.
        update: What the last result did to the map; None before the first.
    """

    def __init__(self, lander: Lander, *, most_mb: float = MOST_MB) -> None:
        """Start without any ground.

        Args:
            lander: The vehicle.
            most_mb: Memory of the map, MB.

        Raises:
            UsageError: `most_mb` is too small for one view.
        """
        self.lander = lander
        self.ground = GroundMap(most_mb)
        self.choice = SiteChoice(lander)
        self.update: MapUpdate | None = None

    def see(
        self,
        result: StereoResult,
        world_from_left: ArrayLike,
        sigma: PoseSigma,
        *,
        aim_px: tuple[float, float] | None = None,
    ) -> Landing:
        """Fuse a result, and try the vehicle on all that is known.

        Args:
            result: Refined, measured and in metres, with the left view.
            world_from_left: (4, 4) metres, of its left camera; the world is level, z up.
            sigma: Of that pose.
            aim_px: Column and row of the left image as given, at which the vehicle aims.

        Returns:
            A landing as a single result's, as the result's left view sees it. Its grid lies in the
            world, and its first site is the chosen one.

        Raises:
            UsageError: The map takes no such result, the footprint does not fit into the map, or
                the aim point lies outside of the view.
            InputError: The pose is none, or the result shows no ground.
        """
        self.update = self.ground.add(posed_view(result, world_from_left, sigma))
        return land_on_map(
            self.ground, self.update, result, self.lander, choice=self.choice, aim_px=aim_px
        )


def land_on_map(
    ground: GroundMap,
    update: MapUpdate,
    result: StereoResult,
    lander: Lander,
    *,
    choice: SiteChoice | None = None,
    aim_px: tuple[float, float] | None = None,
    window: Window | None = None,
) -> Landing:
    """Try a vehicle on a map.

    Args:
        ground: The map.
        update: Of a view: the map is searched around what it saw.
        result: Of that view.
        lander: The vehicle.
        choice: Keeps the chosen site from view to view; None = the best comes first.
        aim_px: As `FusedLanding.see`.
        window: Where; None = around what the view saw.

    Raises:
        UsageError: As `FusedLanding.see`.
    """
    window = window or ground.around(update, lander.footprint_diameter_m / MOST_CELLS)
    grid, known, left = ground.grid(window, update, result.camera_left.intrinsics)
    tops = np.float32(_TOPS) + np.float32(_CALMED) * np.sqrt(1 - left**2)
    # The error of the world's up is in the map's draws, with all that poses err by.
    return land_on(
        Ground(grid, known, Errors(roughness_px=tops), views=ground.views),
        result,
        lander,
        aim_px=aim_px,
        kept=None if choice is None else choice.keep,
    )
