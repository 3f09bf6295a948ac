"""The dense rounds of one view: match, fit the pose, put the plate through what matches.

A solver holds what all rounds share: images, cameras, the network's relief. What one round finds is
a value that the next one takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.epipolar import EpipolarField, MatchedRays, RelativePose
from lunar_runtime.geometry.fields import Field, half, resized, together, twice
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
from lunar_runtime.refinement.local_errors import local_errors
from lunar_runtime.refinement.other_light import OtherLight
from lunar_runtime.refinement.plane_twin import fitted_twins
from lunar_runtime.refinement.plate import CYCLES, Information, Plate
from lunar_runtime.refinement.pose_errors import pose_errors
from lunar_runtime.refinement.possible import require_flow, require_round, require_slack
from lunar_runtime.refinement.prior import (
    LEAST_DEPARTURE,
    Prior,
    beyond_errors,
    fit_prior,
    relief_bands,
)
from lunar_runtime.refinement.relative_pose import PoseFit, ahead, fit_pose
from lunar_runtime.refinement.shading import shade
from lunar_runtime.refinement.surface import NetworkGuess, Round, Surface
from lunar_runtime.refinement.thin_plate import PlateNoise
from lunar_runtime.refinement.unmatched import unmatched

#: Of a surface and its pose, with their errors.
DRAWS = 8
#: Of flow, besides the first at half the resolution: whether each is thorough.
FLOW_ROUNDS = (False, True)
#: Of the dense matches, for the last fit of the pose and for those before it.
POSE_SAMPLES, EARLY_SAMPLES = 8000, 3000
_ITERATIONS = 15  # of a pose's fit to dense matches, at most: it starts near
# Of the plate before the last round of flow: a surface to warp through is enough. With two in the
# last round one pair was 1.2 times worse beyond the overlap.
_QUICK_CYCLES = 1
# Nothing comes after it: with fewer, single surfaces beyond the overlap were farther off.
_BRIGHTNESS_CYCLES = 5
_BRIGHTNESS_ROUNDS = 2  # at most
# Where the first round of brightness moves nine pixels in ten by less, a second one gains nothing
# (14 of 36 pairs). Above, single pairs need it by 27 % of their error.
_STILL_PX = 0.045
_STILL_SHARE = 90  # percent
_THIN = (slice(None, None, 4),) * 2
# A flow vector is good to 0.16 px, and its error is shared by the 5 × 5 px of a patch: as many
# nodes of the plate.
_FLOW_SIGMA_PX = 0.16
_FLOW_PATCH_NODES = 25 / 4
_DECIDED = 1 / 5  # of the prior's error, below which the images decide
# Of the plate's errors, as drawn: they are a little too wide, those of depths more than those of
# slopes (12 StereoLunar pairs, 72 rendered ones). With 7 % less slopes of 256 px had 91 % within
# two while the noise of all pixels counted alike; now draws are 7 % wider.
_OWN, _OWN_DEPTH = 0.84, 0.89


class _Likeness(NamedTuple):
    """How alike both images are through the surface; see `Surface`."""

    correlation: float
    unevenness: float
    unmatched: float

    @classmethod
    def of(cls, grey: Field, bright: Brightness) -> _Likeness:
        correlation, inside = bright.correlation, bright.inside
        known = correlation[_THIN][inside[_THIN]]
        return cls(
            float(np.median(known)) if known.size else 0.0,
            unevenness(grey, bright.warped, inside),
            unmatched(grey, bright.warped, correlation, inside),
        )


class DenseSolver:
    """The dense steps of a pair's left view.

    Args:
        pair: Its left view is refined.
        network: What the network says of that view; None = nothing.
        relief: Of the network, where it is known already, on the plate's grid.
    """

    def __init__(
        self, pair: Pair, network: NetworkGuess | None, relief: list[Field] | None = None
    ) -> None:
        self._pair = pair.floating()
        self._plate = Plate.of(pair.left)
        self._small = Pair(self._pair.left.halved(), self._pair.right)
        self._relief = relief
        self._noise: Callable[[], list[PlateNoise]] | None = None
        if network is not None:
            inverse_depth = self.on_grid(network.inverse_depth)
            self._relief = relief_bands(self._small.left.rays(), inverse_depth)

    def coarser(self) -> DenseSolver:
        """The same at half the resolution: enough for the first flow, which reaches farther so."""
        relief = None if self._relief is None else [half(band) for band in self._relief]
        return DenseSolver(self._pair.halved(), None, relief)

    def on_grid(self, surface: Field) -> Field:
        """A surface of any size on the plate's grid."""
        return resized(surface, self._plate.shape)

    def carried(self, last: Round) -> Round:
        """A round of another solver on this one's grid; the plate is even again."""
        prior = last.prior._replace(
            inverse_depth=self.on_grid(last.prior.inverse_depth),
            incidence=self.on_grid(last.prior.incidence),
        )
        return Round(self.on_grid(last.surface), prior, self._plate.even())

    def begin_noise(self, draws: int) -> None:
        """Begin in a thread to make the noise of the surface's draws: nothing decides it."""
        self._noise = begun(partial(self._plate.noise, draws))

    def through_matches(self, rays: MatchedRays, pose: RelativePose) -> Field:
        """The prior through sparse matches, on the plate's grid: the first surface."""
        camera, (height, width) = self._small.left.intrinsics, self._plate.shape
        d = rays.inverse_depth(pose)
        at = rays.left[:, :2] * (camera.fx, camera.fy) + (camera.cx, camera.cy)
        column = np.clip(at[:, 0].astype(np.intp), 0, width - 1)
        row = np.clip(at[:, 1].astype(np.intp), 0, height - 1)
        measured = np.zeros((height, width), np.float32)
        trust = np.zeros_like(measured)
        measured[row, column], trust[row, column] = d, d > 0
        return fit_prior(self._small.left.rays(), measured, trust, self._relief).inverse_depth

    def match(self, pose: RelativePose, surface: Field, *, thorough: bool = True) -> Flow:
        """Flow between the images through a surface; see `measure_flow`."""
        checkpoint("flow")
        return measure_flow(self._pair, pose, surface, thorough=thorough)

    def fit_pose(
        self,
        starts: list[RelativePose],
        flow: Flow,
        samples: int = POSE_SAMPLES,
        *,
        look_for_twins: bool = True,
    ) -> tuple[PoseFit, MatchedRays, list[PoseFit]]:
        """Fit the pose to the dense matches, from every start; the one that fits best wins.

        On nearly plane ground two poses nearly fit: the best one's twin is a start as well.

        Args:
            starts: At least one.
            flow: Between the images.
            samples: Of the matches, about.
            look_for_twins: Else there are none.

        Returns:
            The fit, the matches, and the fits that see the same plane and lost.

        Raises:
            NotRefinedError: There are too few.
        """
        checkpoint("pose")
        require_flow(flow, self._pair.right.shape)
        rays = self.dense_rays(flow, samples)
        fits = [fit_pose(rays, start, iterations=_ITERATIONS) for start in starts]
        best = ahead(rays, _best(fits))
        twins = fitted_twins(rays, best) if look_for_twins else []
        better = _best([best, *twins])
        if better is best:
            return best, rays, twins
        others = [best, *(twin for twin in twins if twin is not better)]
        return fit_pose(rays, better.pose, iterations=_ITERATIONS), rays, others

    def dense_rays(self, flow: Flow, samples: int = POSE_SAMPLES) -> MatchedRays:
        """Some thousands of the dense matches, evenly spread.

        Raises:
            NotRefinedError: There are too few.
        """
        height, width = flow.u.shape
        stride = max(1, round(math.sqrt(height * width / samples)))
        first = stride // 2
        rows, columns = np.nonzero(flow.trust[first::stride, first::stride] > MIN_TRUST)
        rows, columns = rows * stride + first, columns * stride + first
        require_dense_matches(len(rows))
        enlarged = self._pair.left.shape[1] / width, self._pair.left.shape[0] / height
        here = (np.stack([columns, rows], axis=-1) + 0.5) * enlarged
        there = np.stack([flow.u[rows, columns], flow.v[rows, columns]], axis=-1)
        rays = MatchedRays.of(self._pair, here, there)
        return replace(rays, spacing_px=stride * enlarged[0])

    def through_flow(
        self,
        pose: RelativePose,
        flow: Flow,
        slack: Field | None = None,
        *,
        thorough: bool = True,
    ) -> Round:
        """The surface through the flow's depths, around a prior that is fitted to them anew.

        Args:
            pose: Of the other camera.
            flow: Between the images, through whichever surface.
            slack: Of the plate, from the round before; None = even.
            thorough: Whether the surface stays; else it only starts the next round.

        Raises:
            NotRefinedError: The matches do not meet in front of the cameras.
        """
        checkpoint("plate")
        require_flow(flow, self._pair.right.shape)
        field = EpipolarField.of(self._small, pose)
        measured = field.triangulate(flow.u, flow.v)
        du, dv = field.motion(measured)
        trust = np.where(np.isfinite(du) & (measured > 0), flow.trust, 0).astype(np.float32)
        if np.count_nonzero(trust) < MIN_MATCHES:
            raise NotRefinedError("the dense matches do not meet in front of the cameras")
        prior = fit_prior(field.rays, measured, trust, self._relief)
        moved_px = np.where(trust > 0, together(du, dv), 0) * prior.inverse_depth
        weight = trust * moved_px**2 / np.float32(_FLOW_SIGMA_PX**2 * _FLOW_PATCH_NODES)
        change = np.where(trust > 0, measured / prior.inverse_depth - 1, 0)
        information = Information(weight, weight * change.astype(np.float32))
        slack = self._plate.even() if slack is None else slack
        require_slack(slack)
        start = flow.surface / prior.inverse_depth - 1
        cycles = CYCLES if thorough else _QUICK_CYCLES
        solution = self._plate.solve(prior, slack, information, start, cycles)
        surface = prior.inverse_depth * (1 + np.maximum(solution.departure, LEAST_DEPARTURE))
        return Round(surface, prior, solution.slack)

    def through_brightness(
        self, pose: RelativePose, last: Round, poses: list[RelativePose]
    ) -> Surface:
        """The surface that the brightness asks for, and its uncertainty.

        Args:
            pose: Of the other camera.
            last: The last round of flow.
            poses: The same with their errors, one for every draw.
        """
        require_round(last.surface, last.prior.inverse_depth, last.slack)
        field = EpipolarField.of(self._pair, pose)
        prior, departure, slack = last.prior, last.departure, last.slack
        plane = self._on_view(prior.inverse_depth)
        surface = self._plate.surface(plane, departure)
        for _ in range(_BRIGHTNESS_ROUNDS):
            checkpoint("brightness")
            bright = linearise(self._pair, field, surface)
            information = self._around_prior(bright, surface / plane)
            before = surface
            departure, compliance, slack = self._plate.solve(
                prior, slack, information, departure, _BRIGHTNESS_CYCLES
            )
            surface = self._plate.surface(plane, departure)
            if _moved_px(field, before, surface, bright.inside) < _STILL_PX:
                break
        del before
        checkpoint("draws")
        noise, self._noise = self._noise, None  # it is used up
        noise = noise or partial(self._plate.noise, len(poses))
        draws = self._plate.draw(prior, compliance, information, noise())
        own = self._plate.sigma(draws)
        with np.errstate(invalid="ignore"):
            refined = (own < _DECIDED * prior.sigma) & bright.inside
        checkpoint("shading")
        left = self._pair.left
        coming_likeness = begun(partial(_Likeness.of, left.grey, bright))
        plated = self._plate.plated(prior, departure, compliance, information, refined)
        others = [OtherLight.through(left, other, surface) for other in left.others]

        # Of a surface with what shading adds they would be the same.
        coming = begun(
            partial(self._of_poses, pose, poses, surface, last.prior, departure, refined)
        )
        shading = shade(left, bright.warped, bright.inside, plated, others, len(poses))
        if shading.adds:
            surface = self._plate.surface(plane, shading.departure)
        focal = left.intrinsics.fx
        coming_local = begun(partial(local_errors, bright, surface, refined, focal))
        if shading.adds:
            draws = shading.of_draws(draws)
            own = self._plate.sigma(draws)
        local, (shared, sigma) = coming_local(), coming()
        of_depth = own * self._on_view(local.depth) * np.float32(_OWN * _OWN_DEPTH)
        sigma = together(of_depth, sigma)
        draws = draws * (np.float32(_OWN) * local.slope) + shared
        likeness = coming_likeness()
        return Surface(
            inverse_depth=surface,
            sigma=sigma,
            refined=refined,
            draws=draws,
            prior=prior,
            overlap=float(np.mean(bright.inside)),
            correlation=likeness.correlation,
            unevenness=likeness.unevenness,
            hidden=bright.hidden,
            unmatched=likeness.unmatched,
            shading=shading.told,
        )

    def _of_poses(
        self,
        pose: RelativePose,
        poses: list[RelativePose],
        surface: Field,
        prior: Prior,
        departure: Field,
        refined: NDArray[np.bool_],
    ) -> tuple[Field, Field]:
        """Errors of all of a surface together, (N, h, w), and their (H, W) standard deviation."""
        errors = pose_errors(self._pair, pose, poses, surface)
        errors += beyond_errors(prior, departure, refined[::2, ::2], len(poses))
        return errors, self._plate.sigma(errors)

    def _on_view(self, values: Field) -> Field:
        """Of the plate's grid, on the view's."""
        height, width = self._pair.left.shape
        return twice(values) if height % 2 == width % 2 == 0 else resized(values, (height, width))

    def _around_prior(self, bright: Brightness, ratio: Field) -> Information:
        """From relative changes of the present surface, `ratio` times the prior's, to the prior's.

        Summed to the plate's nodes.
        """
        weight = bright.information / ratio**2
        pull = weight * (ratio - 1) + bright.pull / ratio
        return Information(self._plate.summed(weight), self._plate.summed(pull))


def _best(fits: list[PoseFit]) -> PoseFit:
    return min(fits, key=lambda fit: (fit.sigma_px, fit.cost))


def _moved_px(
    field: EpipolarField, before: Field, after: Field, inside: NDArray[np.bool_]
) -> float:
    """How far along the epipolar lines most of the right pixels went."""
    du, dv = (values[_THIN] for values in field.motion(before))
    moved = np.hypot(du, dv) * np.abs(after[_THIN] - before[_THIN])
    known = inside[_THIN] & np.isfinite(moved)
    return float(np.percentile(moved[known], _STILL_SHARE)) if known.any() else 0.0
