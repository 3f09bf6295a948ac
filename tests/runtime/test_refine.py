"""The images against hills in closed form, and pairs that must not be refined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from lunar_runtime import NotRefinedError, StereoResult, infer_geometry_only
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.refine import refine_pose_and_surface, refine_surface
from lunar_runtime.refinement.surface import GivenPose
from numpy.typing import NDArray

from .images import texture
from .scenes import Scene, flat_scene, hilly_scene, rigid

SCENE = hilly_scene()
SURE = [SCENE.pose] * 8  # a pose without errors, one for every draw
GIVEN = GivenPose(SCENE.pose, held=False, sigma_deg=(0.02, 0.1))
Grey = NDArray[np.uint8]


@cache
def from_images() -> StereoResult:
    return infer_geometry_only(
        SCENE.grey_left, SCENE.grey_right, intrinsics=SCENE.left, baseline_m=SCENE.baseline_m
    )


def heights(points: NDArray[np.float32] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Above the points' own plane: what a pose that is off by a hair leaves alone."""
    return fit_plane(points).height(points)


def test_the_images_alone_beat_the_plane_many_times_over() -> None:
    result = from_images()
    relief = heights(SCENE.points_left)
    assert np.isfinite(result.pointmap_left).all()
    error = np.abs(heights(result.pointmap_left) - relief)
    assert np.median(error) < 0.2 * np.median(np.abs(relief))
    slope = np.abs(result.slope - SCENE.slope_deg)
    assert np.mean(slope) < 0.3 * np.mean(SCENE.slope_deg)


def test_the_baseline_makes_metres() -> None:
    assert np.median(from_images().depth / SCENE.depth_left) == pytest.approx(1, abs=0.005)


def test_the_pose_is_found_without_being_told() -> None:
    pose = from_images().pose
    assert pose is not None
    turned = pose.right_from_left[:3, :3] @ SCENE.pose.R.T
    assert np.degrees(np.arccos((np.trace(turned) - 1) / 2)) < 0.1


def test_the_same_pair_gives_the_same_result_to_the_bit() -> None:
    first = from_images()
    again = infer_geometry_only(
        SCENE.grey_left, SCENE.grey_right, intrinsics=SCENE.left, baseline_m=SCENE.baseline_m
    )
    np.testing.assert_array_equal(again.depth, first.depth)
    one, other = (result.views["left"].slope_sigma for result in (again, first))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one, other)


def turned_camera(scene: Scene) -> Grey:
    """The left image from a camera that turned in place."""
    K = scene.left.matrix()
    R = rigid((0.02, -0.03, 0.2), (0, 0, 0))[:3, :3]
    shape = scene.width, scene.height
    turned = cv2.warpPerspective(scene.grey_left, K @ R @ np.linalg.inv(K), shape)
    return np.asarray(turned, np.uint8)


def other_ground(scene: Scene) -> Grey:
    return texture(9, *scene.grey_left.shape)


def mirrored(scene: Scene) -> Grey:
    return np.ascontiguousarray(scene.grey_right[:, ::-1])


@pytest.mark.parametrize("right", [turned_camera, other_ground, mirrored])
def test_what_holds_no_geometry_is_refused(right: Callable[[Scene], Grey]) -> None:
    with pytest.raises(NotRefinedError):
        infer_geometry_only(SCENE.grey_left, right(SCENE), intrinsics=SCENE.left)


def test_images_that_no_pose_explains_are_refused() -> None:
    """A lens no one told of: ±1.5 px of waves, which no epipolar line follows."""
    scene = hilly_scene(160)
    y, x = np.mgrid[:160, :160].astype(np.float32)
    bent = cv2.remap(
        scene.grey_right, x + 1.5 * np.sin(y / 12), y + 1.5 * np.sin(x / 12), cv2.INTER_LINEAR
    )
    with pytest.raises(NotRefinedError, match="no camera pose explains the dense matches"):
        infer_geometry_only(scene.grey_left, np.asarray(bent, np.uint8), intrinsics=scene.left)


def test_a_third_of_the_right_image_black_leaves_no_hole() -> None:
    right = SCENE.grey_right.copy()
    right[:, :43] = 0
    result = infer_geometry_only(SCENE.grey_left, right, intrinsics=SCENE.left)
    assert np.isfinite(result.depth).all()
    refined = result.views["left"].refined
    assert refined is not None
    assert 0.5 < refined.mean() < 0.8  # what the rest shows


def test_black_ground_is_expected_to_be_worse_than_lit_ground() -> None:
    scene = hilly_scene(160)
    left, right = scene.grey_left.copy(), scene.grey_right.copy()
    here, there = (
        np.linalg.norm(points[..., :2], axis=-1)
        for points in (scene.points_left, scene.points_right)
    )
    noise = np.random.default_rng(0).normal(3, 1, (2, 160, 160))  # a dark frame's, in counts
    left[here < 250], right[there < 250] = noise[0][here < 250], noise[1][there < 250]
    # A known pose: its errors would hide the difference in so small an image.
    rig = Rig(left=scene.left, right_from_left=scene.right_from_left, pose="fixed")
    result = infer_geometry_only(left, right, rig)
    view = result.views["left"]
    assert view.refined is not None
    assert view.depth_sigma is not None
    core = here < 100  # the plate carries what the rim says some way in
    lit = view.refined & (here > 330)
    assert np.median(view.depth_sigma[core]) > 3 * np.median(view.depth_sigma[lit])


@pytest.mark.parametrize("shape", [(127, 125), (128, 113)])
def test_odd_sizes_are_refined_as_well(shape: tuple[int, int]) -> None:
    height, width = shape
    result = infer_geometry_only(
        SCENE.grey_left[:height, :width],
        SCENE.grey_right[:height, :width],
        intrinsics=SCENE.left,
        baseline_m=SCENE.baseline_m,
    )
    assert result.pointmap_left.shape == (height, width, 3)
    inside = result.views["left"].refined
    assert inside is not None
    relief = heights(SCENE.points_left[:height, :width])
    error = np.abs(heights(result.pointmap_left) - relief)
    assert np.median(error[inside]) < 0.2 * np.median(np.abs(relief[inside]))


def test_a_pose_that_is_given_and_the_images_make_one() -> None:
    """Nearer to the rig's than the images alone come, as the rig's is the surer one here."""
    alone, _ = refine_pose_and_surface(SCENE.views())
    told, _ = refine_pose_and_surface(SCENE.views(), given=GIVEN)
    assert told.source == alone.source == "matches"
    assert not told.held
    assert told.pose.turned_deg(SCENE.pose) < 0.5 * alone.pose.turned_deg(SCENE.pose)


def test_with_a_known_pose_the_surface_alone_is_refined() -> None:
    surface = refine_surface(SCENE.views(), SCENE.pose, flat_scene().inverse_depth, SURE)
    plane_error = np.abs(flat_scene().inverse_depth / SCENE.inverse_depth - 1)
    error = np.abs(surface.inverse_depth / SCENE.inverse_depth - 1)
    assert np.median(error) < 0.1 * np.median(plane_error)


def test_the_right_view_is_refined_with_the_pose_turned_round() -> None:
    flat = (SCENE.baseline_m / flat_scene().depth_right).astype(np.float32)
    back = SCENE.pose.inverse()
    surface = refine_surface(SCENE.views().swapped(), back, flat, [back] * 8)
    truth = SCENE.baseline_m / SCENE.depth_right
    error = np.abs(surface.inverse_depth / truth - 1)
    assert np.median(error) < 0.1 * np.median(np.abs(flat / truth - 1))


def test_a_known_pose_does_not_make_two_grounds_one() -> None:
    # What is wrong with the matches that noise gives differs between versions of OpenCV.
    pair = SCENE.views()
    with pytest.raises(NotRefinedError, match=r"common|correlation|do not meet in front"):
        refine_surface(
            Pair(pair.left, replace(pair.right, grey=other_ground(SCENE))),
            SCENE.pose,
            flat_scene().inverse_depth,
            SURE,
        )
