"""What is true of the places at which a landing was tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lunar_calib.render.true_hazards import true_classes
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.hazards import SAFE, UNKNOWN, Errors, Hazards, find_hazards
from lunar_runtime.landing.landing import Landing
from lunar_runtime.landing.sites import Site
from numpy.typing import NDArray

from lunar_bench.landing.cases import LandingCase


@dataclass(frozen=True)
class TruePlaces:
    """(r, c) each.

    Attributes:
        slope_deg: Of the worst way to stand.
        roughness_m: NaN also where the slope alone forbids the place.
        safe: Whether both are within the vehicle's limits.
        known: Where the truth says so.
        corner_m: x and y of the first place, in the landing's frame.
        step_m: From one to the next.
    """

    slope_deg: Field
    roughness_m: Field
    safe: NDArray[np.bool_]
    known: NDArray[np.bool_]
    corner_m: tuple[float, float]
    step_m: float

    def holds(self, site: Site) -> bool:
        """Whether a site is safe."""
        row = round((self.corner_m[1] - site.y_m) / self.step_m)
        column = round((site.x_m - self.corner_m[0]) / self.step_m)
        return bool(self.safe[row, column])

    def errors_of(self, hazards: Hazards, grid: GroundGrid) -> Errors:
        """How wrong slopes and roughness are at these places, root mean square.

        Args:
            hazards: At the same places.
            grid: Of theirs.
        """
        slope = _rms(hazards.slope_deg - self.slope_deg)
        roughness = _rms(hazards.roughness_m - self.roughness_m)
        return Errors(slope_deg=slope, roughness_cells=roughness / grid.cell_m)


def true_places(case: LandingCase, landing: Landing) -> TruePlaces:
    """Try the case's vehicle on the true ground, where the landing tried it."""
    truth = case.truth(landing.grid)
    stride = landing.hazards.centres.stride
    there = np.isfinite(truth.height)
    hazards = find_hazards(truth, there, case.lander, stride=stride * case.finer)
    rows, columns = landing.hazards.centres.size
    classes = true_classes(hazards, case.lander)[:rows, :columns]
    return TruePlaces(
        slope_deg=hazards.slope_deg[:rows, :columns],
        roughness_m=hazards.roughness_m[:rows, :columns],
        safe=classes == SAFE,
        known=classes != UNKNOWN,
        corner_m=(landing.grid.x0_m, landing.grid.y0_m),
        step_m=landing.grid.cell_m * stride,
    )


def _rms(difference: Field) -> float:
    """Of what is known; 1 where nothing is."""
    known = difference[np.isfinite(difference)].astype(np.float64)
    return float(np.sqrt(np.mean(known**2))) if known.size else 1.0
