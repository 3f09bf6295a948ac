"""The pointmap meets the images again: sub-pixel pose and depth from the pair itself.

A network's pointmap is complete and robust, but from orbit it is a percent off, and a percent is
the whole relief. The images hold far more, once it is known roughly where to look:

1. the pose, from matched features (and the network's descriptors or pointmaps, whichever the
   matches support best: `first_pose`), then from dense flow (`relative_pose`);
2. the surface, from dense flow along the epipolar lines, around a prior made of the best plane and
   the network's relief (`dense_match`, `prior`, `solver`);
3. the last hundredths of a pixel, from brightness along the epipolar lines;
4. every step through one thin plate, which keeps what the images say where they say something, and
   the prior in shadow and beyond the right image, without a seam (`plate`, `thin_plate`);
5. how sure all this is, from random draws of the plate's own posterior.

Everything is seeded and bounded: the same pair gives the same surface.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

import numpy as np

from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    ContradictionError,
    NotRefinedError,
    require_agreement,
    require_agreement_with_rig,
    require_common_ground,
    require_epipolar_fit,
    require_parallax,
)
from lunar_runtime.refinement.camera_evidence import (
    CameraEvidence,
    camera_evidence,
    draw_poses,
)
from lunar_runtime.refinement.dense_match import Flow
from lunar_runtime.refinement.first_pose import PoseSource, features_of, matches_of_pose
from lunar_runtime.refinement.free_pose import FoundPose, find_freely
from lunar_runtime.refinement.matching import Features
from lunar_runtime.refinement.misfit_errors import with_misfit, with_untested
from lunar_runtime.refinement.plane_twin import LEAST_RIVAL
from lunar_runtime.refinement.pose_residuals import pattern_px
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose
from lunar_runtime.refinement.solver import DRAWS, FLOW_ROUNDS, DenseSolver
from lunar_runtime.refinement.surface import GivenPose, NetworkGuess, Round, Surface
from lunar_runtime.refinement.told_pose import AGREED, AS_TOLD, Agreement, agree, loosened

# Times the residual of the images' own pose: a rig's that fits as well. Where the images went
# astray the right pose left a quarter of theirs.
_AS_WELL = 1.1
_WELL_PX = 0.03  # a pose that leaves no more fits well, whatever another one leaves
_ASTRAY_DEG = 0.3  # a turn of the images' own pose to the rig's, which a right rig does not need


@dataclass(frozen=True)
class RefinedPose:
    """The pose, and what supports it.

    Attributes:
        pose: The right camera's, |t| = 1.
        source: What it started from.
        held: Whether it is the rig's as it was told.
        matches: Sparse matches, in all, at the resolution that settled the pose.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median Sampson distance of the dense matches.
        pattern_px: By how much neighbours among them miss together, root mean square.
        rival: Median Sampson distance under the other pose that nearly plane ground allows, over
            that under this one; None = no other, or the rig decides.
        other: That pose, where the images do not tell which of both it is.
        network_differs_deg: Angle to the network's rotation; None without one.
        evidence: Its errors, and what the matches say of the focal length.
    """

    pose: RelativePose
    source: PoseSource
    held: bool
    matches: int
    inliers: int
    epipolar_px: float
    pattern_px: float
    rival: float | None
    other: RelativePose | None
    network_differs_deg: float | None
    evidence: CameraEvidence

    def drawn(self, count: int) -> list[RelativePose]:
        """Poses with the errors of this one; half of them the other's, where it may be that."""
        poses = draw_poses(self.pose, self.evidence, count)
        if self.other is not None:
            poses[1::2] = draw_poses(self.other, self.evidence, count)[1::2]
        return poses


def refine_pose_and_surface(
    pair: Pair,
    network: NetworkGuess | None = None,
    given: GivenPose | None = None,
    features: Features | None = None,
) -> tuple[RefinedPose, Surface]:
    """Refine the left view of a pair.

    Args:
        pair: (H, W) uint8 grey levels and both cameras.
        network: What the network says; None = geometry alone.
        given: What a rig says of the pose. Not held, it is one more start; where the images find
            none or another one, it is held all the same, and then they must bear it out.
        features: Of the pair's images, where some may have been found before.

    Returns:
        The pose and the surface.

    Raises:
        NotRefinedError: Too few matches, no parallax, different suns, or nothing in common.
        ContradictionError: The images show another pose than the rig's.
    """
    features = features or features_of(pair)
    if given is not None and given.held:
        return _refine_told(pair, network, given, features)
    try:
        found = find_freely(pair, network, given, features)
    except NotRefinedError as refusal:
        if given is None:
            raise
        try:
            return _refine_told(pair, network, given, features)
        except ContradictionError:  # matches that settle no pose speak against none
            raise refusal from None
    if given is None:
        return _finished(pair, found, network)
    try:
        agreed = _with_rig(found, given)
    except ContradictionError as contradiction:
        try:  # the rig may be right where the images alone went astray
            told, surface = _refine_told(pair, network, given, features)
        except NotRefinedError:
            raise contradiction from None
        if told.epipolar_px > max(_AS_WELL * found.epipolar_px, _WELL_PX):
            raise contradiction
        return told, surface
    if agreed.fit.pose.turned_deg(found.fit.pose) > _ASTRAY_DEG:
        with contextlib.suppress(NotRefinedError, ContradictionError):
            # The surface was looked for elsewhere.
            return _refine_told(pair, network, given, features)
    return _finished(pair, agreed, network)


def refine_surface(
    pair: Pair,
    pose: RelativePose,
    start: Field,
    poses: list[RelativePose],
    network: NetworkGuess | None = None,
) -> Surface:
    """Refine the left view of a pair whose pose is known, from a first surface.

    As `refine_pose_and_surface` does, without its features and fits: flow at half the resolution,
    flow, brightness.

    Args:
        pair: The view to refine is its left one.
        pose: Of the other camera.
        start: (H, W) inverse depth, baseline / Z.
        poses: The pose with its errors, one for every draw.
        network: Prior of the view to refine.

    Returns:
        The surface.

    Raises:
        NotRefinedError: Nothing in common, or different suns.
    """
    solver = DenseSolver(pair, network)
    coarse = solver.coarser()
    last, _ = _follow_flow(solver, coarse, pose, coarse.on_grid(start), len(poses))
    return solver.through_brightness(pose, last, poses)


def _with_rig(found: FoundPose, given: GivenPose) -> FoundPose:
    """The pose that the images and the rig bear out together, and the surface through it.

    Raises:
        ContradictionError: There is none.
    """
    agreement, given = _agreement(found.rays, found.fit, given)
    pose = agreement.pose
    fit = replace(found.fit, pose=pose)
    evidence = camera_evidence(found.rays, fit, given)
    return found._replace(
        fit=fit,
        twins=[],
        evidence=evidence._replace(covariance=agreement.covariance, rig_apart=agreement.apart),
        last=found.solver.through_flow(pose, found.flow, found.last.slack),
    )


def _agreement(rays: MatchedRays, free: PoseFit, given: GivenPose) -> tuple[Agreement, GivenPose]:
    """How the images and the rig agree, through right cameras or through those that err a little.

    How far they are apart is said through the cameras as they are told. A held pose has to fit
    through those.

    Raises:
        ContradictionError: They do not.
    """
    if not given.held and rays.focal_sigma is not None:  # it says that they err
        given = loosened(rays, free, given)
    agreement = agree(rays, free, given)
    if agreement.apart > AS_TOLD and not given.held and given.by_cameras is None:
        wider = loosened(rays, free, given)
        allowed = agree(rays, free, wider)
        if allowed.apart <= AGREED:
            return allowed._replace(apart=agreement.apart), wider
    require_agreement_with_rig(free.pose, given, agreement)
    return agreement, given


def _finished(
    pair: Pair, found: FoundPose, network: NetworkGuess | None
) -> tuple[RefinedPose, Surface]:
    pose, twin, rival = found.fit.pose, found.nearest_twin, found.rival
    other = None if twin is None or rival is None or rival >= LEAST_RIVAL else twin.pose
    refined = RefinedPose(
        pose=pose,
        source=found.first.source,
        held=False,
        matches=found.first.matches,
        inliers=len(found.first.inliers),
        epipolar_px=found.epipolar_px,
        pattern_px=pattern_px(found.rays, pose),
        rival=rival,
        other=other,
        network_differs_deg=_turned_from(network, pose),
        evidence=found.evidence,
    )
    return refined, _surface(pair, found.solver, refined, found.last)


def _surface(pair: Pair, solver: DenseSolver, found: RefinedPose, last: Round) -> Surface:
    """The surface with all of its errors."""
    surface = solver.through_brightness(found.pose, last, found.drawn(DRAWS))
    surface = with_untested(pair.left, found.pose, surface, found.evidence.untested)
    for worst in found.evidence.misfits[:1]:
        surface = with_misfit(pair.left, found.pose, surface, worst)
    return surface


def _refine_told(
    pair: Pair, network: NetworkGuess | None, given: GivenPose, features: Features
) -> tuple[RefinedPose, Surface]:
    """Refine from the rig's pose; the images must bear it out, within its errors.

    Raises:
        NotRefinedError: The images do not match along it.
        ContradictionError: They match along another one.
    """
    matches, inliers = matches_of_pose(pair, given.pose, features)
    require_parallax(inliers, given.pose)
    solver = DenseSolver(pair, network)
    coarse = solver.coarser()
    start = coarse.through_matches(inliers, given.pose)
    last, flow = _follow_flow(solver, coarse, given.pose, start, DRAWS)
    rays = solver.dense_rays(flow)
    free = fit_pose(rays, given.pose)
    own = camera_evidence(rays, free)
    require_epipolar_fit(rays, free.pose, own)
    agreement, given = _agreement(rays, free, given)
    evidence = camera_evidence(rays, replace(free, pose=agreement.pose), given)
    evidence = evidence._replace(rig_apart=agreement.apart)
    pose = given.pose
    if not given.held:
        pose = agreement.pose
        evidence = evidence._replace(covariance=agreement.covariance)
        last = solver.through_flow(pose, flow, last.slack)
    found = RefinedPose(
        pose=pose,
        source="rig",
        held=True,
        matches=matches,
        inliers=len(inliers),
        epipolar_px=float(np.median(rays.distance_px(pose))),
        pattern_px=pattern_px(rays, pose),
        rival=None,
        other=None,
        network_differs_deg=_turned_from(network, pose),
        evidence=evidence,
    )
    return found, _surface(pair, solver, found, last)


def _follow_flow(
    solver: DenseSolver, coarse: DenseSolver, pose: RelativePose, start: Field, draws: int
) -> tuple[Round, Flow]:
    """The rounds of flow with a pose that stays, from a coarse surface; and the last flow."""
    flow = coarse.match(pose, start, thorough=False)
    solver.begin_noise(draws)
    require_common_ground(flow)
    last = solver.carried(coarse.through_flow(pose, flow, thorough=False))
    for thorough in FLOW_ROUNDS:
        flow = solver.match(pose, last.surface, thorough=thorough)
        require_common_ground(flow)
        last = solver.through_flow(pose, flow, last.slack, thorough=thorough)
    require_agreement(flow)
    return last, flow


def _turned_from(network: NetworkGuess | None, pose: RelativePose) -> float | None:
    return None if network is None or network.pose is None else pose.turned_deg(network.pose)
