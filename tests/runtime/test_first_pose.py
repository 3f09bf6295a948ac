"""The first pose: which matches and starts it comes from, and when there is none."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import NotRefinedError
from lunar_runtime.refinement.first_pose import find_first_pose
from lunar_runtime.refinement.surface import NetworkGuess
from numpy.typing import NDArray

from .scenes import Ground, hilly_scene, rigid, two_cameras

SCENE = hilly_scene()
SMALL = hilly_scene(64)


def other_right(grey: NDArray[np.uint8]) -> Pair:
    pair = SCENE.views()
    return Pair(pair.left, replace(pair.right, grey=grey))


def noise(seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, SCENE.grey_left.shape, np.uint8)


def misled(pose: RelativePose | None) -> NetworkGuess:
    """A network whose descriptors join what has nothing to do with each other.

    Its two thousand wrong matches, none of which is near its epipolar line, drown the features'
    hundred right ones: five of those at once, as a start needs them, are drawn once in a million.
    """
    rng = np.random.default_rng(0)
    left = rng.standard_normal((3600, 8)).astype(np.float32)
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    order = rng.permutation(3600)
    right = left[order]
    right[np.abs(order // 60 - np.arange(3600) // 60) < 15] = np.nan  # a quarter of the image
    every_eighth = [one.reshape(60, 60, 8).repeat(8, 0).repeat(8, 1) for one in (left, right)]
    return NetworkGuess(SMALL.inverse_depth, pose, (every_eighth[0], every_eighth[1]))


def test_the_features_alone_give_the_pose() -> None:
    first = find_first_pose(SCENE.views(), None, None, halved=False)
    assert first.source == "matches"
    assert first.poses[0].turned_deg(SCENE.pose) < 0.2
    assert 24 < len(first.inliers) <= first.matches
    assert first.inliers.distance_px(first.poses[0]).max() < 1.5


def test_a_start_that_ends_in_the_same_place_confirms_the_matches() -> None:
    network = NetworkGuess(SCENE.inverse_depth, SCENE.pose)
    assert find_first_pose(SCENE.views(), network, SCENE.pose, halved=False).source == "matches"


def test_descriptors_are_more_matches() -> None:
    """Of an 8 × 8 grid of the network's: every one meets its own, as the images are one."""
    descriptors = np.random.default_rng(0).standard_normal((64, 64, 16)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=-1, keepdims=True)
    network = NetworkGuess(SCENE.inverse_depth, None, (descriptors, descriptors))
    alone = find_first_pose(SCENE.views(), None, None, halved=False)
    assert find_first_pose(SCENE.views(), network, None, halved=False).matches == alone.matches + 64


def test_the_networks_pose_wins_where_the_matches_support_it_best() -> None:
    first = find_first_pose(SMALL.views(), misled(SMALL.pose), None, halved=False)
    assert first.source == "network"
    # A feature's 0.2 px are 0.16 deg at 70 px of focal length; turn and move trade off.
    assert first.poses[0].turned_deg(SMALL.pose) < 1


def test_the_rigs_pose_wins_where_the_matches_support_it_best() -> None:
    first = find_first_pose(SMALL.views(), misled(None), SMALL.pose, halved=False)
    assert first.source == "rig"
    # A feature's 0.2 px are 0.16 deg at 70 px of focal length; turn and move trade off.
    assert first.poses[0].turned_deg(SMALL.pose) < 1


def test_a_wrong_start_changes_nothing() -> None:
    wrong = RelativePose(rigid((0, 0, 2.0), (0, 0, 0))[:3, :3], np.array([0.0, 1.0, 0.0]))
    alone = find_first_pose(SCENE.views(), None, None, halved=False)
    first = find_first_pose(SCENE.views(), None, wrong, halved=False)
    assert first.source == "matches"
    np.testing.assert_array_equal(first.poses[0].matrix(), alone.poses[0].matrix())


def test_the_same_pair_gives_the_same_first_pose() -> None:
    one = find_first_pose(SCENE.views(), None, None, halved=False)
    cv2.setRNGSeed(5)
    other = find_first_pose(SCENE.views(), None, None, halved=False)
    np.testing.assert_array_equal(one.poses[0].matrix(), other.poses[0].matrix())
    np.testing.assert_array_equal(one.inliers.left, other.inliers.left)


def test_halved_images_find_fewer_features_and_the_same_pose() -> None:
    scene = hilly_scene(160)
    whole = find_first_pose(scene.views(), None, None, halved=False)
    halved = find_first_pose(scene.views(), None, None, halved=True)
    assert halved.matches < whole.matches
    assert halved.poses[0].turned_deg(scene.pose) < 1


def test_other_ground_has_too_few_matches() -> None:
    with pytest.raises(NotRefinedError, match=r"only \d+ points match between the images, 24 are"):
        find_first_pose(other_right(noise()), None, None, halved=False)


def test_a_pose_in_doubt_is_refused_at_half_the_resolution() -> None:
    with pytest.raises(NotRefinedError, match="the features of halved images do not settle a cam"):
        find_first_pose(SMALL.views(), misled(None), None, halved=True)


# Such images fit every baseline: what is told apart is noise, and may lie behind a camera.
NO_PARALLAX = (
    r"no camera pose puts the \d+ matched points before both cameras; do the images show"
    r"|a turn of the camera alone explains the images to 0\.\d\d px"
    r"|the baseline is 0\.\d\d% of the depth"
)


@pytest.mark.parametrize("turn", [(0.02, -0.03, 0.2), (0.0, 0.05, 0.0), (0.0, 0.0, 1.5)])
def test_a_camera_that_turned_in_place_has_no_parallax(turn: tuple[float, float, float]) -> None:
    K = SCENE.left.matrix()
    R = rigid(turn, (0, 0, 0))[:3, :3]
    turned = cv2.warpPerspective(SCENE.grey_left, K @ R @ np.linalg.inv(K), (128, 128))
    with pytest.raises(NotRefinedError, match=NO_PARALLAX):
        find_first_pose(other_right(np.asarray(turned, np.uint8)), None, None, halved=False)


def test_a_camera_that_hardly_moved_has_no_parallax() -> None:
    scene = two_cameras(Ground(), (4.0, 0.0, 0.0))
    with pytest.raises(NotRefinedError, match=NO_PARALLAX):
        find_first_pose(scene.views(), None, None, halved=False)
