"""The dense rounds of one view: match, fit the pose, put the plate through what matches.

A solver holds what all rounds share: images, cameras, the network's relief. What one round finds is
a value that the next one takes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import EpipolarField, MatchedRays, RelativePose
from lunar_runtime.geometry.fields import Field, half, resized
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    MIN_MATCHES,
    MIN_TRUST,
    NotRefinedError,
    require_dense_matches,
)
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.dense_match import Brightness, Flow, linearise, measure_flow
from lunar_runtime.refinement.evenness import unevenness
from lunar_runtime.refinement.local_errors import local_factor
from lunar_runtime.refinement.plate import Information, Plate
from lunar_runtime.refinement.prior import Prior, beyond_errors, fit_prior, relief_bands
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose
from lunar_runtime.refinement.shading import shade
from lunar_runtime.refinement.surface import NetworkGuess, Surface

#: Of flow, besides the first at half the resolution: whether each is thorough.
FLOW_ROUNDS = (False, True)
#: Of the dense matches, for the last fit of the pose and for those before it.
POSE_SAMPLES, EARLY_SAMPLES = 8000, 3000
# Nothing comes after it: with 4, single surfaces beyond the overlap were farther off.
_BRIGHTNESS_CYCLES = 6
_BRIGHTNESS_ROUNDS = 2  # at most
# Where the first round of brightness moves nine pixels in ten by less, a second one gains nothing
# (14 of 36 pairs). Above, single pairs need it by 27 % of their error.
_STILL_PX = 0.045
_STILL_SHARE = 90  # percent
_THIN = (slice(None, None, 4),) * 2
# A flow vector is good to 0.16 px, and its error is shared by the 5 × 5 px of a patch.
_FLOW_SIGMA_PX = 0.16
_FLOW_PATCH_PX = 25
_DECIDED = 1 / 5  # of the prior's error, below which the images decide
_OWN = 0.95  # of the plate's errors, as drawn: they are a little too wide (65 pairs)
_UNKNOWN = np.float32(1.0)  # a relative error of the depth that says nothing


class Round(NamedTuple):
    """What one round of flow leaves for the next.

    Attributes:
        surface: (H, W) inverse depth, baseline / Z.
        prior: That it departs from.
        slack: (⌈H/2⌉, ⌈W/2⌉) of the plate; see `PlateSolution`.
    """

    surface: Field
    prior: Prior
    slack: Field


class DenseSolver:
    """The dense steps of a pair's left view.

    Args:
        pair: Its left view is refined.
        network: What the network says of that view; None = nothing.
    """

    def __init__(self, pair: Pair, network: NetworkGuess | None) -> None:
        self._pair = pair.floating()
        self._network = network
        self._plate = Plate.of(pair.left)
        self._relief = (
            None if network is None else relief_bands(pair.left.rays(), network.inverse_depth)
        )

    def coarser(self) -> DenseSolver:
        """The same at half the resolution: enough for the first flow, which reaches farther so."""
        network = None if self._network is None else self._network.halved()
        return DenseSolver(self._pair.halved(), network)

    def on_grid(self, surface: Field) -> Field:
        """A surface of another solver on this one's grid."""
        return resized(surface, self._pair.left.shape)

    def carried(self, last: Round) -> Round:
        """A round of another solver on this one's grid; the plate is even again."""
        prior = last.prior._replace(
            inverse_depth=self.on_grid(last.prior.inverse_depth),
            incidence=self.on_grid(last.prior.incidence),
        )
        return Round(self.on_grid(last.surface), prior, self._plate.even())

    def through_matches(self, rays: MatchedRays, pose: RelativePose) -> Field:
        """The prior through sparse matches: the first surface to warp through."""
        camera, (height, width) = self._pair.left.intrinsics, self._pair.left.shape
        d = rays.inverse_depth(pose)
        at = rays.left[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        column = np.clip(at[:, 0].astype(np.intp), 0, width - 1)
        row = np.clip(at[:, 1].astype(np.intp), 0, height - 1)
        measured = np.zeros((height, width), np.float32)
        trust = np.zeros_like(measured)
        measured[row, column], trust[row, column] = d, d > 0
        return fit_prior(self._pair.left.rays(), measured, trust, self._relief).inverse_depth

    def match(self, pose: RelativePose, surface: Field, *, thorough: bool = True) -> Flow:
        """Flow between the images through a surface; see `measure_flow`."""
        checkpoint("flow")
        return measure_flow(self._pair, pose, surface, thorough=thorough)

    def fit_pose(
        self, starts: list[RelativePose], flow: Flow, samples: int = POSE_SAMPLES
    ) -> tuple[PoseFit, MatchedRays]:
        """Fit the pose to the dense matches, from every start; the lowest cost wins.

        Args:
            starts: At least one.
            flow: Between the images.
            samples: Of the matches, about.

        Returns:
            The fit, and the matches.

        Raises:
            NotRefinedError: There are too few.
        """
        checkpoint("pose")
        rays = self.dense_rays(flow, samples)
        fits = [fit_pose(rays, start, iterations=15) for start in starts]
        return min(fits, key=lambda fit: (fit.sigma_px, fit.cost)), rays

    def dense_rays(self, flow: Flow, samples: int = POSE_SAMPLES) -> MatchedRays:
        """Some thousands of the dense matches, evenly spread.

        Raises:
            NotRefinedError: There are too few.
        """
        height, width = self._pair.left.shape
        stride = 1
        while height * width / stride**2 > samples:
            stride += 1
        first = stride // 2
        rows, columns = np.nonzero(flow.trust[first::stride, first::stride] > MIN_TRUST)
        rows, columns = rows * stride + first, columns * stride + first
        require_dense_matches(len(rows))
        here = np.stack([columns, rows], axis=-1) + 0.5
        there = np.stack([flow.u[rows, columns], flow.v[rows, columns]], axis=-1)
        return replace(MatchedRays.of(self._pair, here, there), spacing_px=float(stride))

    def through_flow(self, pose: RelativePose, flow: Flow, slack: Field | None = None) -> Round:
        """The surface through the flow's depths, around a prior that is fitted to them anew.

        Args:
            pose: Of the other camera.
            flow: Between the images, through whichever surface.
            slack: Of the plate, from the round before; None = even.

        Raises:
            NotRefinedError: The matches do not meet in front of the cameras.
        """
        checkpoint("plate")
        field = EpipolarField.of(self._pair, pose)
        measured = field.triangulate(flow.u, flow.v)
        du, dv = field.motion(measured)
        trust = np.where(np.isfinite(du) & (measured > 0), flow.trust, 0).astype(np.float32)
        if np.count_nonzero(trust) < MIN_MATCHES:
            raise NotRefinedError("the dense matches do not meet in front of the cameras")
        prior = fit_prior(field.rays, measured, trust, self._relief)
        moved_px = np.where(trust > 0, np.hypot(du, dv), 0) * prior.inverse_depth
        weight = trust * moved_px**2 / np.float32(_FLOW_SIGMA_PX**2 * _FLOW_PATCH_PX)
        change = np.where(trust > 0, measured / prior.inverse_depth - 1, 0)
        information = Information(weight, weight * change.astype(np.float32))
        slack = self._plate.even() if slack is None else slack
        solution = self._plate.solve(prior, slack, information, flow.surface)
        return Round(solution.surface, prior, solution.slack)

    def through_brightness(
        self, pose: RelativePose, last: Round, poses: list[RelativePose]
    ) -> Surface:
        """The surface that the brightness asks for, and its uncertainty.

        Args:
            pose: Of the other camera.
            last: The last round of flow.
            poses: The same with their errors, one for every draw.
        """
        field = EpipolarField.of(self._pair, pose)
        surface, prior, slack = last.surface, last.prior, last.slack
        for _ in range(_BRIGHTNESS_ROUNDS):
            checkpoint("brightness")
            bright = linearise(self._pair, field, surface)
            information = _around_prior(bright, surface / prior.inverse_depth)
            before = surface
            surface, compliance, slack = self._plate.solve(
                prior, slack, information, before, _BRIGHTNESS_CYCLES
            )
            if _moved_px(field, before, surface, bright.inside) < _STILL_PX:
                break
        checkpoint("draws")
        draws = self._plate.draw(prior, compliance, information, len(poses))
        own = self._plate.sigma(draws)
        with np.errstate(invalid="ignore"):
            refined = (own < _DECIDED * prior.sigma) & bright.inside
        checkpoint("shading")
        plated = self._plate.plated(prior, surface, compliance, information, refined)
        inside = half(bright.inside.astype(np.float32)) == 1
        shading = shade(self._pair.left.halved(), half(bright.warped), inside, plated)
        if shading.reason is None:
            surface = self._plate.surface(prior.inverse_depth, shading.departure)
            draws = shading.of_draws(draws)
            own = self._plate.sigma(draws)
        local = np.float32(_OWN) * local_factor(bright, surface, refined)
        shared = self._pose_errors(pose, poses, surface)
        shared += beyond_errors(prior, refined, len(poses))
        sigma = np.hypot(own * self.on_grid(local), self._plate.sigma(shared))
        draws = draws * local + shared
        correlation = bright.correlation[_THIN][bright.inside[_THIN]]
        return Surface(
            inverse_depth=surface,
            sigma=sigma,
            refined=refined,
            draws=draws,
            prior=prior,
            overlap=float(np.mean(bright.inside)),
            correlation=float(np.median(correlation)) if correlation.size else 0.0,
            unevenness=unevenness(self._pair.left.grey, bright.warped, bright.inside),
            shading=shading.told(),
        )

    def _pose_errors(self, pose: RelativePose, poses: list[RelativePose], surface: Field) -> Field:
        """(N, ⌈H/2⌉, ⌈W/2⌉) relative errors of Z that other poses of the same matches give.

        Errors end at the depth itself: a pose that has the matches meet behind the cameras, or at
        infinity, says nothing of the depth. What the right camera cannot see has none.
        """
        pair = self._pair.halved()
        small = half(surface)
        u, v = EpipolarField.of(pair, pose).project(small)
        errors = np.empty((len(poses), *small.shape), np.float32)
        for error, one in zip(errors, poses, strict=True):
            other = EpipolarField.of(pair, one).triangulate(u, v)
            nearest = small / (1 + _UNKNOWN)
            error[:] = np.where(np.isnan(other), 0, small / np.fmax(other, nearest) - 1)
        return errors


def _moved_px(
    field: EpipolarField, before: Field, after: Field, inside: NDArray[np.bool_]
) -> float:
    """How far along the epipolar lines most of the right pixels went."""
    du, dv = (values[_THIN] for values in field.motion(before))
    moved = np.hypot(du, dv) * np.abs(after[_THIN] - before[_THIN])
    known = inside[_THIN] & np.isfinite(moved)
    return float(np.percentile(moved[known], _STILL_SHARE)) if known.any() else 0.0


def _around_prior(bright: Brightness, ratio: Field) -> Information:
    """From relative changes of the present surface, `ratio` times the prior's, to the prior's."""
    weight = bright.information / ratio**2
    return Information(weight, weight * (ratio - 1) + bright.pull / ratio)
