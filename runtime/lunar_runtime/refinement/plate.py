"""The thin plate around a prior: how stiff lunar ground is, and what measurements make of it.

The plate carries the surface's relative departure e from the prior (inverse depth = prior times
1 + e) at half the resolution, where it is smooth. Nothing here remembers: a solution carries what
the next one begins with.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, double, half, resized
from lunar_runtime.geometry.robust import middle
from lunar_runtime.geometry.views import View
from lunar_runtime.refinement.bending import bending
from lunar_runtime.refinement.prior import LEAST_DEPARTURE, Prior
from lunar_runtime.refinement.shading import Plated
from lunar_runtime.refinement.thin_plate import (
    PlateNoise,
    plate_noise,
    sample_thin_plate,
    solve_thin_plate,
)

CYCLES = 3  #: of a solution that stays; it starts from the last one
_DRAW_CYCLES = 2  # leave out 1-3 % of the expected error, 6 % at worst (13 pairs)

# The plate's stiffness: curvature of lunar ground seen from above, as the change of slope over one
# pixel; 0.14 gave the lowest slope error on StereoLunar and rendered pairs, and a factor of two
# either way costs less than 5 % of it.
_BEND_PER_PX = 0.14
# Of the image's width: how far the prior's errors reach, and over how much a departure from it
# fades beyond what was measured. While that went with the reach and the prior's own deviation, it
# was half as far on most pairs: depths of the whole view were 1.14 times as far off, slopes beyond
# the overlap 1.05 times (57 pairs, geometric means). With a fifth StereoLunar's depths are 1.08
# times as far off and rendered ones the same, with a seventh both are 1.05 times and more.
_PRIOR_SHARE, _FADE_SHARE = 1 / 4, 1 / 4


class Information(NamedTuple):
    """What measurements say of the plate, on its grid.

    Attributes:
        weight: (h, w) information of each node on its relative departure from the prior.
        pull: (h, w) information · the departure that was measured.
    """

    weight: Field
    pull: Field


class PlateSolution(NamedTuple):
    """One solution, and what the next one begins with.

    Attributes:
        departure: (h, w) of the surface from the prior, relative.
        compliance: (h, w) how much less stiff the plate was in this solution: its slack and
            foreshortening.
        slack: (h, w) the same of the next solution, without foreshortening: the plate is relaxed
            where this one bends.
    """

    departure: Field
    compliance: Field
    slack: Field


class Plate(NamedTuple):
    """The plate of one view; its own grid is (h, w) = (⌈H/2⌉, ⌈W/2⌉).

    Attributes:
        height: Of the view, pixels.
        width: Of the view, pixels.
        stiffness: At full resolution.
    """

    height: int
    width: int
    stiffness: float

    @classmethod
    def of(cls, view: View) -> Plate:
        """As stiff as lunar ground is in this view."""
        return cls(*view.shape, (view.intrinsics.fx / _BEND_PER_PX) ** 2)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the plate's grid."""
        return -(-self.height // 2), -(-self.width // 2)

    def even(self) -> Field:
        """The slack of a plate that was never bent."""
        return np.ones(self.shape, np.float32)

    def solve(
        self,
        prior: Prior,
        slack: Field,
        information: Information,
        last: Field,
        cycles: int = CYCLES,
    ) -> PlateSolution:
        """The surface through measurements; everything is on the plate's grid.

        Args:
            prior: What the surface departs from.
            slack: Of the last solution, or `even`.
            information: Of the measurements.
            last: (h, w) departure to start from.
            cycles: Of the solver, at most.
        """
        compliance = slack * _foreshortening(prior)
        # Dividing the plate's stiffness by the compliance is multiplying the rest by it.
        e = solve_thin_plate(
            (information.weight + self._fading()) * compliance,
            information.pull * compliance,
            self.stiffness / 4,
            start=last,
            cycles=cycles,
        )
        energy = blurred(bending(e), 1.0)
        typical = middle(energy)
        least = max(typical, 1e-30)
        energy /= np.float32(least)
        energy += 1
        relaxed = np.sqrt(energy, out=energy)
        relaxed /= np.float32(math.sqrt(1 + typical / least))  # its median
        return PlateSolution(e, compliance, relaxed)

    def surface(self, prior: Field, departure: Field) -> Field:
        """(H, W) inverse depth of a departure.

        Args:
            prior: (H, W) inverse depth.
            departure: (h, w) from it.
        """
        grown = double(departure)[: self.height, : self.width]
        return np.asarray(prior * (1 + np.maximum(grown, LEAST_DEPARTURE)), np.float32)

    def plated(
        self,
        prior: Prior,
        departure: Field,
        compliance: Field,
        information: Information,
        decided: NDArray[np.bool_],
    ) -> Plated:
        """A solution, as shading takes it.

        Args:
            prior: Of the solution.
            departure: (h, w) that it found.
            compliance: Of the solution.
            information: Of the solution.
            decided: (H, W) where the images decide.
        """
        return Plated(
            prior=prior.inverse_depth,
            departure=np.maximum(departure, LEAST_DEPARTURE),
            weight=information.weight + np.float32(self._fading()),
            compliance=compliance,
            stiffness=self.stiffness / 4,
            decided=half(decided.astype(np.float32)) > 0.5,
        )

    def noise(self, count: int) -> list[PlateNoise]:
        """Of so many draws; seeded."""
        return plate_noise(self.shape, np.random.default_rng(0), -(-count // 2))

    def draw(
        self, prior: Prior, compliance: Field, information: Information, noise: list[PlateNoise]
    ) -> Field:
        """Errors of a solution, drawn from its posterior.

        The second half are the first one's with the other sign. Their variance is averaged over
        neighbours, so four tell it as well as eight.

        Args:
            prior: Of the solution.
            compliance: Of the solution.
            information: Of the solution.
            noise: See the method of that name; it is used up.

        Returns:
            (N, h, w) float32, relative to the surface.
        """
        weight = (information.weight + self._prior_weight(prior)) * compliance
        # With A = weight + stiffness HᵀH per compliance, the covariance is A⁻¹ · compliance.
        half_of_them = sample_thin_plate(weight, self.stiffness / 4, noise, cycles=_DRAW_CYCLES)
        half_of_them *= np.sqrt(compliance)
        return np.concatenate([half_of_them, -half_of_them])

    def sigma(self, draws: Field) -> Field:
        """(H, W) standard deviation that draws tell, averaged over neighbours.

        Over 6 px at 512, as half of the draws are the other half: else the limit of what the
        images decide is ragged.
        """
        variance = blurred(np.mean(draws**2, axis=0, dtype=np.float32), self.width / 90)
        grown = resized(variance, (2 * variance.shape[0], 2 * variance.shape[1]))
        return np.sqrt(np.maximum(grown, 1e-14))[: self.height, : self.width]

    def _fading(self) -> float:
        """Information on a departure in one half-resolution pixel that makes it fade."""
        return float(self.stiffness / 4 / (_FADE_SHARE * self.width / 2) ** 4)

    def _prior_weight(self, prior: Prior) -> float:
        """Information of the prior in one half-resolution pixel: its errors have its deviation."""
        reach_px = _PRIOR_SHARE * self.width
        return float(4 / (prior.sigma * reach_px) ** 2)

    def summed(self, values: Field) -> Field:
        """Sums of two by two of the view's pixels; what lies beyond the edge adds nothing."""
        if self.height % 2 or self.width % 2:
            values = np.pad(values, ((0, self.height % 2), (0, self.width % 2)))
        return half(values) * 4


def _foreshortening(prior: Prior) -> Field:
    """How much less stiff the plate is where it is seen obliquely.

    A ray's length changes by the height's change over the cosine of incidence, so the same change
    of slope over a pixel bends the inverse depth by as much more, and the stiffness goes with the
    cosine's square. Along the dip a pixel is longer on the ground too, which asks for a higher
    power: on StereoLunar and rendered pairs that followed rims better and left more noise in all
    other slopes.
    """
    return np.asarray(1 / np.square(prior.incidence), np.float32)
