"""What is true of the places at which a landing was tried."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from lunar_calib.render.true_hazards import true_classes
from lunar_runtime.landing.hazards import SAFE, UNKNOWN, find_hazards
from lunar_runtime.landing.landing import Landing
from lunar_runtime.landing.sites import Site
from numpy.typing import NDArray

from lunar_bench.landing.cases import LandingCase


@dataclass(frozen=True)
class TruePlaces:
    """(r, c) each.

    Attributes:
        safe: Whether slope and roughness are within the vehicle's limits.
        known: Where the truth says so.
        corner_m: x and y of the first place, in the landing's frame.
        step_m: From one to the next.
    """

    safe: NDArray[np.bool_]
    known: NDArray[np.bool_]
    corner_m: tuple[float, float]
    step_m: float

    def holds(self, site: Site) -> bool:
        """Whether a site is safe."""
        row = round((self.corner_m[1] - site.y_m) / self.step_m)
        column = round((site.x_m - self.corner_m[0]) / self.step_m)
        return bool(self.safe[row, column])


def true_places(case: LandingCase, landing: Landing) -> TruePlaces:
    """Try the case's vehicle on the true ground, where the landing tried it."""
    truth = case.truth(landing.grid)
    stride = landing.hazards.centres.stride
    there = np.isfinite(truth.height)
    hazards = find_hazards(truth, there, case.lander, stride=stride * case.finer)
    rows, columns = landing.hazards.centres.size
    classes = true_classes(hazards, case.lander)[:rows, :columns]
    return TruePlaces(
        safe=classes == SAFE,
        known=classes != UNKNOWN,
        corner_m=(landing.grid.x0_m, landing.grid.y0_m),
        step_m=landing.grid.cell_m * stride,
    )
