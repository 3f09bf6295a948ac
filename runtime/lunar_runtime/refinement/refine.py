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

from dataclasses import dataclass

import numpy as np

from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import SIGMA_PER_MAD, robust_sigma
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    ContradictionError,
    NoParallaxError,
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
from lunar_runtime.refinement.first_pose import PoseSource, find_first_pose, matches_of_pose
from lunar_runtime.refinement.relative_pose import PoseFit
from lunar_runtime.refinement.solver import DenseSolver, Round
from lunar_runtime.refinement.surface import GivenPose, NetworkGuess, Surface

_FLOW_ROUNDS = 2  # besides the first, at half resolution
_DRAWS = 8
_AS_WELL = 2.0  # times the residual of the images' own pose: a rig's that fits as well as that
_LARGE_PX = 512  # of an image's shorter side: features are first looked for at half of it


@dataclass(frozen=True)
class RefinedPose:
    """The pose, and what supports it.

    Attributes:
        pose: The right camera's, |t| = 1.
        source: What it started from.
        matches: Sparse matches, in all, at the resolution that settled the pose.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median Sampson distance of the dense matches.
        network_differs_deg: Angle to the network's rotation; None without one.
        evidence: Its errors, and what the matches say of the focal length.
    """

    pose: RelativePose
    source: PoseSource
    matches: int
    inliers: int
    epipolar_px: float
    network_differs_deg: float | None
    evidence: CameraEvidence


def refine_pose_and_surface(
    pair: Pair, network: NetworkGuess | None = None, given: GivenPose | None = None
) -> tuple[RefinedPose, Surface]:
    """Refine the left view of a pair.

    Args:
        pair: (H, W) uint8 grey levels and both cameras.
        network: What the network says; None = geometry alone.
        given: What a rig says of the pose. Not held, it is one more start; where the images find
            none or another one, it is held all the same, and then they must bear it out.

    Returns:
        The pose and the surface.

    Raises:
        NotRefinedError: Too few matches, no parallax, different suns, or nothing in common.
        ContradictionError: The images show another pose than the rig's.
    """
    if given is not None and given.held:
        return _refine_held(pair, network, given)
    try:
        found, surface = _refine_freely(pair, network, given)
    except NotRefinedError:
        if given is None:
            raise
        return _refine_held(pair, network, given)
    if given is not None:
        try:
            require_agreement_with_rig(found.pose, found.evidence.sigma_deg, given)
        except ContradictionError as contradiction:
            try:  # the rig may be right where the images alone went astray
                told, told_surface = _refine_held(pair, network, given)
            except NotRefinedError:
                raise contradiction from None
            if told.epipolar_px > _AS_WELL * found.epipolar_px:
                raise contradiction
            return told, told_surface
    return found, surface


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
    last, _ = _follow_flow(solver, coarse, pose, coarse.on_grid(start))
    return solver.through_brightness(pose, last, poses)


def _refine_freely(
    pair: Pair, network: NetworkGuess | None, given: GivenPose | None
) -> tuple[RefinedPose, Surface]:
    if min(pair.left.shape) >= _LARGE_PX:
        try:
            return _refine(pair, network, given, halved=True)
        except NoParallaxError:
            raise
        except NotRefinedError:
            pass  # more features may hold more: on a narrow overlap they settle the pose
    return _refine(pair, network, given, halved=False)


def _refine_held(
    pair: Pair, network: NetworkGuess | None, given: GivenPose
) -> tuple[RefinedPose, Surface]:
    """Refine with the rig's pose as it is; the images must bear it out."""
    matches, inliers = matches_of_pose(pair, given.pose)
    require_parallax(inliers, given.pose)
    solver = DenseSolver(pair, network)
    coarse = solver.coarser()
    start = coarse.through_matches(inliers, given.pose)
    last, flow = _follow_flow(solver, coarse, given.pose, start)
    rays = solver.dense_rays(flow)
    sigma_px = robust_sigma(rays.distance_px(given.pose))
    require_epipolar_fit(sigma_px / SIGMA_PER_MAD)
    evidence = camera_evidence(rays, PoseFit(given.pose, 0.0, sigma_px), given.sigma_deg)
    found = RefinedPose(
        pose=given.pose,
        source="rig",
        matches=matches,
        inliers=len(inliers),
        epipolar_px=sigma_px / SIGMA_PER_MAD,
        network_differs_deg=_turned_from(network, given.pose),
        evidence=evidence,
    )
    poses = draw_poses(given.pose, evidence, _DRAWS)
    return found, solver.through_brightness(given.pose, last, poses)


def _follow_flow(
    solver: DenseSolver, coarse: DenseSolver, pose: RelativePose, start: Field
) -> tuple[Round, Flow]:
    """The rounds of flow with a pose that stays, from a coarse surface; and the last flow."""
    flow = coarse.match(pose, start)
    require_common_ground(flow)
    last = solver.carried(coarse.through_flow(pose, flow))
    for _ in range(_FLOW_ROUNDS):
        flow = solver.match(pose, last.surface)
        require_common_ground(flow)
        last = solver.through_flow(pose, flow, last.slack)
    require_agreement(flow)
    return last, flow


def _turned_from(network: NetworkGuess | None, pose: RelativePose) -> float | None:
    return None if network is None or network.pose is None else pose.turned_deg(network.pose)


def _refine(
    pair: Pair, network: NetworkGuess | None, given: GivenPose | None, *, halved: bool
) -> tuple[RefinedPose, Surface]:
    first = find_first_pose(pair, network, None if given is None else given.pose, halved=halved)
    solver = DenseSolver(pair, network)
    coarse = solver.coarser()
    surface = coarse.through_matches(first.inliers, first.poses[0])
    flow = coarse.match(first.poses[0], surface)
    fit, _ = coarse.fit_pose(first.poses, flow)
    last = solver.carried(coarse.through_flow(fit.pose, flow))
    for _ in range(_FLOW_ROUNDS):
        flow = solver.match(fit.pose, last.surface)
        fit, rays = solver.fit_pose([fit.pose], flow)
        last = solver.through_flow(fit.pose, flow, last.slack)
    require_agreement(flow)
    # The fit's own sigma ends at what interpolation leaves; the report's residual does not.
    epipolar_px = float(np.median(rays.distance_px(fit.pose)))
    require_epipolar_fit(epipolar_px)
    evidence = camera_evidence(rays, fit)
    refined = RefinedPose(
        pose=fit.pose,
        source=first.source,
        matches=first.matches,
        inliers=len(first.inliers),
        epipolar_px=epipolar_px,
        network_differs_deg=_turned_from(network, fit.pose),
        evidence=evidence,
    )
    poses = draw_poses(fit.pose, evidence, _DRAWS)
    return refined, solver.through_brightness(fit.pose, last, poses)
