"""The pose that the images give by themselves: features, then dense rounds that fit it anew."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    NoParallaxError,
    NotRefinedError,
    require_agreement,
    require_epipolar_fit,
)
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.camera_evidence import CameraEvidence, camera_evidence
from lunar_runtime.refinement.dense_match import Flow
from lunar_runtime.refinement.first_pose import FirstPose, find_first_pose
from lunar_runtime.refinement.matching import Features
from lunar_runtime.refinement.relative_pose import PoseFit, alike
from lunar_runtime.refinement.solver import (
    DRAWS,
    EARLY_SAMPLES,
    FLOW_ROUNDS,
    POSE_SAMPLES,
    DenseSolver,
)
from lunar_runtime.refinement.surface import GivenPose, NetworkGuess, Round

_EXACT_PX = 1e-4  # matches are never nearer to their lines
# Standard deviations from the round before. Of 60 rendered pairs 52 moved by less than 2.7, and the
# true poses of these are 0.9 away (root mean square of rotations and directions); the other eight
# are 2.2 away, and the farther they moved the farther.
_STEADY, _OF_MOVE = 2.0, 0.5
_LARGE_PX = 512  # of an image's shorter side: features are first looked for at half of it


class FoundPose(NamedTuple):
    """A pose that the images gave, and all that it rests on."""

    solver: DenseSolver
    first: FirstPose
    last: Round
    flow: Flow
    rays: MatchedRays
    fit: PoseFit
    twins: list[PoseFit]
    evidence: CameraEvidence

    @property
    def epipolar_px(self) -> float:
        """Median distance; the fit's own sigma ends at what interpolation leaves."""
        return self._left_by(self.fit)

    @property
    def rival(self) -> float | None:
        """Of the other pose that nearly plane ground allows, over `epipolar_px`; None = no such."""
        if self.nearest_twin is None:
            return None
        return self._left_by(self.nearest_twin) / max(self.epipolar_px, _EXACT_PX)

    @property
    def nearest_twin(self) -> PoseFit | None:
        """The one that the matches are nearest to."""
        return min(self.twins, key=self._left_by, default=None)

    def _left_by(self, fit: PoseFit) -> float:
        return float(np.median(self.rays.distance_px(fit.pose)))


def find_freely(
    pair: Pair, network: NetworkGuess | None, given: GivenPose | None, features: Features
) -> FoundPose:
    """Find the pose: from halved features first, then from all.

    Args:
        pair: (H, W) uint8 grey levels and both cameras.
        network: One more start; None = geometry alone.
        given: What a rig says: one more start.
        features: Of the pair's images.

    Raises:
        NotRefinedError: The images give none.
    """
    if starts_halved(pair):
        try:
            return _find(pair, network, given, features, halved=True)
        except NoParallaxError:
            raise
        except NotRefinedError:
            pass  # more features may hold more: on a narrow overlap they settle the pose
    return _find(pair, network, given, features, halved=False)


def starts_halved(pair: Pair) -> bool:
    """Whether features are first looked for at half the resolution."""
    return min(pair.left.shape) >= _LARGE_PX


def _find(
    pair: Pair,
    network: NetworkGuess | None,
    given: GivenPose | None,
    features: Features,
    *,
    halved: bool,
) -> FoundPose:
    told = None if given is None else given.pose
    first = find_first_pose(pair, network, told, halved=halved, features=features)
    solver = DenseSolver(pair, network)
    coarse = solver.coarser()
    surface = coarse.through_matches(first.inliers, first.poses[0])
    flow = coarse.match(first.poses[0], surface, thorough=False)
    solver.begin_noise(DRAWS)
    fit, _, _ = coarse.fit_pose(first.poses, flow, EARLY_SAMPLES)
    last = solver.carried(coarse.through_flow(fit.pose, flow, thorough=False))
    rounds, again = list(FLOW_ROUNDS), False
    while rounds:
        thorough, before = rounds.pop(0), fit.pose
        flow = solver.match(before, last.surface, thorough=thorough)
        samples = POSE_SAMPLES if thorough else EARLY_SAMPLES
        # Between the first round, which had every start, and the last, where the other pose that is
        # better gets a round of its own, it is not looked for.
        fit, rays, twins = solver.fit_pose([before], flow, samples, look_for_twins=thorough)
        coming = begun(partial(camera_evidence, rays, fit)) if thorough else None
        last = solver.through_flow(fit.pose, flow, last.slack, thorough=thorough)
        changed = any(alike(before, twin.pose) for twin in twins) and not alike(before, fit.pose)
        if changed and not rounds and not again:
            rounds, again = [True], True  # the surface was looked for along the other pose
    require_agreement(flow)
    checkpoint("evidence")
    assert coming is not None  # the last round is thorough
    evidence = coming()
    fit = replace(fit, unsettled=unsettled(before, fit.pose, evidence.sigma_deg))
    if fit.unsettled > 1:
        evidence = camera_evidence(rays, fit)
    require_epipolar_fit(rays, fit.pose, evidence)
    return FoundPose(solver, first, last, flow, rays, fit, twins, evidence)


def unsettled(before: RelativePose, after: RelativePose, sigma_deg: tuple[float, float]) -> float:
    """By how much more the matches' variance is, as the last round moved the pose.

    Two rounds match the same images through other surfaces. What their poses differ by is what
    matches err by together, where patches hold too little texture: no distance shows it.

    Args:
        before: The pose of the round before the last.
        after: That of the last.
        sigma_deg: Of its rotation and of its baseline's direction, as its distances have them.
    """
    moves = before.turned_deg(after) / sigma_deg[0], before.aside_deg(after) / sigma_deg[1]
    return 1 + _OF_MOVE**2 * max(0.0, max(moves) ** 2 - _STEADY**2)
