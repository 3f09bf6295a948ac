"""The pose before anything dense: from sparse matches, the network, the rig.

On ground that is nearly a plane several poses may explain the matches alike; all of these are kept
for the dense matches to decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    INLIER_PX,
    NotRefinedError,
    require_inliers,
    require_matches,
    require_parallax,
)
from lunar_runtime.refinement.budget import checkpoint
from lunar_runtime.refinement.matching import Features, match_descriptors
from lunar_runtime.refinement.plane_twin import plane_twins
from lunar_runtime.refinement.relative_pose import (
    PoseFit,
    as_good,
    best_poses,
    explains,
    poses_across,
    start_poses,
)
from lunar_runtime.refinement.surface import NetworkGuess

#: What a pose started from.
PoseSource = Literal["matches", "network", "rig"]

_TOLD_PX = 3.0  # from the epipolar lines of a pose that was told
_SETTLES = 0.99  # of the cost so far: a start that ends in the same place confirms the matches


@dataclass(frozen=True)
class FirstPose:
    """Poses that the sparse matches support, and the matches.

    Attributes:
        poses: The best first, then those that are as good.
        source: What the best one started from.
        inliers: The matches that agree with the best one.
        matches: How many there were in all.
    """

    poses: list[RelativePose]
    source: PoseSource
    inliers: MatchedRays
    matches: int


def features_of(pair: Pair) -> Features:
    """A pair's features; none is looked for yet."""
    return Features(pair.left.grey, pair.right.grey, (pair.left.valid, pair.right.valid))


def find_first_pose(
    pair: Pair,
    network: NetworkGuess | None,
    given: RelativePose | None,
    *,
    halved: bool,
    features: Features | None = None,
) -> FirstPose:
    """Match the images sparsely and fit the pose.

    Args:
        pair: With uint8 grey levels.
        network: Its pose is one more start, its descriptors are more matches.
        given: A pose known beforehand: one more start.
        halved: Look for features at half the resolution; then a pose that is in doubt is refused
            rather than looked for at length.
        features: Of the pair's images, where some may have been found before.

    Raises:
        NoParallaxError: A turn of the camera alone explains the matches.
        NotRefinedError: They are too few, or settle no pose.
    """
    checkpoint("features")
    matches = (features or features_of(pair)).matches(halved=halved)
    if network is not None and network.descriptors is not None:
        shapes, valid = (pair.left.shape, pair.right.shape), (pair.left.valid, pair.right.valid)
        matches = matches + match_descriptors(*network.descriptors, shapes, valid)
    require_matches(len(matches.left))
    checkpoint("poses")
    rays = MatchedRays.of(pair, matches.left, matches.right)
    starts: list[tuple[PoseSource, list[RelativePose]]] = [
        ("matches", start_poses(rays)),
        ("network", [] if network is None or network.pose is None else [network.pose]),
        ("rig", [] if given is None else [given]),
    ]
    fits: list[PoseFit] = []
    source: PoseSource = "matches"
    for name, poses in starts:
        fits, source = _with(best_poses(rays, poses, fits), name, fits, source)
    if not (fits and explains(fits[0], len(rays))):
        if halved:
            raise NotRefinedError("the features of halved images do not settle a camera pose")
        checkpoint("across")
        across = best_poses(rays, poses_across(rays))
        fits, source = _with(across, "matches", fits, source)
    if not fits:
        raise NotRefinedError(
            f"no camera pose puts the {len(rays)} matched points before both cameras; do "
            "the images show the same ground?"
        )
    fits = as_good([*fits, *best_poses(rays, plane_twins(rays, fits[0].pose), fits)])
    best = fits[0].pose
    inliers = rays.where(rays.distance_px(best) < INLIER_PX)
    require_inliers(len(inliers), len(rays))
    require_parallax(inliers, best)
    return FirstPose([fit.pose for fit in fits], source, inliers, len(rays))


def matches_of_pose(
    pair: Pair, pose: RelativePose, features: Features | None = None
) -> tuple[int, MatchedRays]:
    """How many sparse matches there are, and those that agree with a pose that was told.

    Raises:
        NotRefinedError: Too few do.
    """
    checkpoint("features")
    matches = (features or features_of(pair)).matches()
    require_matches(len(matches.left))
    rays = MatchedRays.of(pair, matches.left, matches.right)
    inliers = rays.where(rays.distance_px(pose) < _TOLD_PX)
    require_inliers(len(inliers), len(rays))
    return len(rays), inliers


def _with(
    found: list[PoseFit], name: PoseSource, fits: list[PoseFit], source: PoseSource
) -> tuple[list[PoseFit], PoseSource]:
    """The fits with those of one more start, which must end lower than all others to count."""
    if found and (not fits or found[0].cost < _SETTLES * fits[0].cost):
        return [*found, *fits], name
    return fits, source
