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

from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import SIGMA_PER_MAD
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    NoParallaxError,
    NotRefinedError,
    require_agreement,
    require_common_ground,
    require_epipolar_fit,
)
from lunar_runtime.refinement.camera_evidence import (
    CameraEvidence,
    camera_evidence,
    draw_poses,
)
from lunar_runtime.refinement.first_pose import PoseSource, find_first_pose
from lunar_runtime.refinement.solver import DenseSolver
from lunar_runtime.refinement.surface import NetworkGuess, Surface

_FLOW_ROUNDS = 2  # besides the first, at half resolution
_DRAWS = 8
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
    pair: Pair, network: NetworkGuess | None = None, given: RelativePose | None = None
) -> tuple[RefinedPose, Surface]:
    """Refine the left view of a pair.

    Args:
        pair: (H, W) uint8 grey levels and both cameras.
        network: What the network says; None = geometry alone.
        given: A pose known beforehand: one more start, kept if the matches support it best.

    Returns:
        The pose and the surface.

    Raises:
        NotRefinedError: Too few matches, no parallax, different suns, or nothing in common.
    """
    if min(pair.left.shape) >= _LARGE_PX:
        try:
            return _refine(pair, network, given, halved=True)
        except NoParallaxError:
            raise
        except NotRefinedError:
            pass  # more features may hold more: on a narrow overlap they settle the pose
    return _refine(pair, network, given, halved=False)


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
    flow = coarse.match(pose, coarse.on_grid(start))
    require_common_ground(flow)
    last = solver.carried(coarse.through_flow(pose, flow))
    for _ in range(_FLOW_ROUNDS):
        flow = solver.match(pose, last.surface)
        require_common_ground(flow)
        last = solver.through_flow(pose, flow, last.slack)
    require_agreement(flow)
    return solver.through_brightness(pose, last, poses)


def _refine(
    pair: Pair, network: NetworkGuess | None, given: RelativePose | None, *, halved: bool
) -> tuple[RefinedPose, Surface]:
    first = find_first_pose(pair, network, given, halved=halved)
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
    epipolar_px = fit.sigma_px / SIGMA_PER_MAD
    require_epipolar_fit(epipolar_px)
    evidence = camera_evidence(rays, fit)
    refined = RefinedPose(
        pose=fit.pose,
        source=first.source,
        matches=first.matches,
        inliers=len(first.inliers),
        epipolar_px=epipolar_px,
        network_differs_deg=None
        if network is None or network.pose is None
        else fit.pose.turned_deg(network.pose),
        evidence=evidence,
    )
    poses = draw_poses(fit.pose, evidence, _DRAWS)
    return refined, solver.through_brightness(fit.pose, last, poses)
