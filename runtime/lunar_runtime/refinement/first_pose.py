"""The pose before anything dense: from sparse matches, the network, the rig.

On ground that is nearly a plane several poses may explain the matches alike; all of these are kept
for the dense matches to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lunar_runtime.geometry.epipolar import Floats, RelativePose, rays_of, sampson_distance
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    INLIER_PX,
    NotRefinedError,
    require_inliers,
    require_matches,
    require_parallax,
)
from lunar_runtime.refinement.matching import match_descriptors, match_features
from lunar_runtime.refinement.relative_pose import (
    PoseFit,
    best_poses,
    explains,
    poses_across,
    start_poses,
)
from lunar_runtime.refinement.surface import NetworkGuess

#: What a pose started from.
PoseSource = Literal["matches", "network", "rig"]

_SETTLES = 0.99  # of the cost so far: a start that ends in the same place confirms the matches


@dataclass(frozen=True)
class FirstPose:
    """Poses that the sparse matches support, and the matches.

    Attributes:
        poses: The best first, then those that are as good.
        source: What the best one started from.
        left: (N, 3) rays of the matches that agree with the best one.
        right: (N, 3) rays.
        matches: How many there were in all.
    """

    poses: list[RelativePose]
    source: PoseSource
    left: Floats
    right: Floats
    matches: int


def find_first_pose(
    pair: Pair, network: NetworkGuess | None, given: RelativePose | None, *, halved: bool
) -> FirstPose:
    """Match the images sparsely and fit the pose.

    Args:
        pair: With uint8 grey levels.
        network: Its pose is one more start, its descriptors are more matches.
        given: A pose known beforehand: one more start.
        halved: Look for features at half the resolution; then a pose that is in doubt is refused
            rather than looked for at length.

    Raises:
        NoParallaxError: A turn of the camera alone explains the matches.
        NotRefinedError: They are too few, or settle no pose.
    """
    focal_px = pair.left.intrinsics.fx
    matches = match_features(pair.left.grey, pair.right.grey, halved=halved)
    if network is not None and network.descriptors is not None:
        matches = matches + match_descriptors(*network.descriptors, pair.left.shape)
    require_matches(len(matches.left))
    left = rays_of(matches.left, pair.left.intrinsics)
    right = rays_of(matches.right, pair.right.intrinsics)
    starts: list[tuple[PoseSource, list[RelativePose]]] = [
        ("matches", start_poses(left, right, focal_px)),
        ("network", [] if network is None or network.pose is None else [network.pose]),
        ("rig", [] if given is None else [given]),
    ]
    fits: list[PoseFit] = []
    source: PoseSource = "matches"
    for name, poses in starts:
        fits, source = _with(best_poses(left, right, focal_px, poses), name, fits, source)
    if not (fits and explains(fits[0], len(left))):
        if halved:
            raise NotRefinedError("the features of halved images do not settle a camera pose")
        across = best_poses(left, right, focal_px, poses_across(left, right, focal_px))
        fits, source = _with(across, "matches", fits, source)
    if not fits:
        raise NotRefinedError(
            f"no camera pose puts the {len(left)} matched points before both cameras; do "
            "the images show the same ground?"
        )
    best = fits[0].pose
    inlier = np.abs(sampson_distance(left, right, best)) * focal_px < INLIER_PX
    require_inliers(int(np.count_nonzero(inlier)), len(inlier))
    require_parallax(left[inlier], right[inlier], best, focal_px)
    return FirstPose([fit.pose for fit in fits], source, left[inlier], right[inlier], len(inlier))


def _with(
    found: list[PoseFit], name: PoseSource, fits: list[PoseFit], source: PoseSource
) -> tuple[list[PoseFit], PoseSource]:
    """The fits with those of one more start, which must end lower than all others to count."""
    if found and (not fits or found[0].cost < _SETTLES * fits[0].cost):
        return [*found, *fits], name
    return fits, source
