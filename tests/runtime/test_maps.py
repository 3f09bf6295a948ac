"""A network's outputs, read: the cameras and the pose come out as they went in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.maps import PointMap, known_cameras, mask_by_confidence, read_maps
from lunar_runtime.inference.options import InferOptions
from numpy.typing import NDArray

from .scenes import hilly_scene

SCENE = hilly_scene(64)
ALONE = InferOptions(refine="off")
REFINED = InferOptions(refine="auto")
MAPPING = SCENE.grid()
UNIT_M = 1000.0

Outputs = dict[str, NDArray[np.float32]]


def outputs() -> Outputs:
    return SCENE.outputs(UNIT_M)


def garbage() -> Outputs:
    """A right pointmap that no camera saw."""
    found = outputs()
    rng = np.random.default_rng(0)
    found["pointmap_right"] = rng.uniform(-5, 5, (1, 64, 64, 3)).astype(np.float32)
    return found


def test_the_maps_are_the_outputs_without_their_batch() -> None:
    maps, notes = read_maps(outputs(), MAPPING, ALONE, Rig())
    np.testing.assert_array_equal(maps.left.points, outputs()["pointmap_left"][0])
    assert maps.right is not None
    # Of a network whose error nobody measured, and which is everywhere as sure.
    np.testing.assert_allclose(maps.right.confidence, 1 + 0.01 / np.hypot(0.11, 0.02), rtol=1e-6)
    assert maps.left.expected is None
    assert maps.descriptors is None
    assert notes.warnings == ()
    assert notes.not_finite == {}


def test_a_camera_that_nobody_told_is_the_pointmaps_and_nominal() -> None:
    """A network knows the camera that it was trained with, whichever took the pair."""
    maps, _ = read_maps(outputs(), MAPPING, ALONE, Rig())
    assert maps.camera_left.source == "nominal"
    assert maps.camera_left.intrinsics.fx == pytest.approx(SCENE.left.fx, rel=1e-5)  # float32
    # Of the right camera the right pointmap says nothing before the pose is known.
    assert maps.camera_right == maps.camera_left._replace(source="nominal (left)")


def test_convention_the_pose_maps_left_points_into_the_right_camera() -> None:
    """Both pointmaps are in the left camera's frame."""
    maps, _ = read_maps(outputs(), MAPPING, InferOptions(intrinsics=SCENE.left), Rig())
    assert maps.pose is not None
    expected = SCENE.right_from_left.copy()
    expected[:3, 3] /= UNIT_M
    # Float32 points of 1 and 4096 of them: a few times 1e-6.
    np.testing.assert_allclose(maps.pose.right_from_left, expected, atol=1e-5)


def test_a_left_network_gives_no_right_map_and_no_pose() -> None:
    left = {name: values for name, values in outputs().items() if name.endswith("left")}
    maps, notes = read_maps(left, MAPPING, ALONE, Rig())
    assert maps.right is None
    assert maps.pose is None
    assert notes.warnings == ()


def test_descriptors_are_kept_if_both_images_have_them() -> None:
    descriptors = np.ones((1, 64, 64, 24), np.float32)
    one = {**outputs(), "descriptors_left": descriptors}
    assert read_maps(one, MAPPING, ALONE, Rig())[0].descriptors is None
    both = {**one, "descriptors_right": 2 * descriptors}
    found = read_maps(both, MAPPING, ALONE, Rig())[0].descriptors
    assert found is not None
    assert [values.shape for values in found] == [(64, 64, 24)] * 2
    assert found[1].max() == 2


def test_pixels_that_are_not_finite_become_nan_and_are_counted_per_output() -> None:
    spoilt = outputs()
    spoilt["pointmap_left"][0, 3, :5] = np.nan
    spoilt["pointmap_left"][0, 4, 0, 1] = np.inf
    spoilt["confidence_right"][0, 7, 7] = np.nan
    spoilt["descriptors_left"] = np.full((1, 64, 64, 24), np.nan, np.float32)  # no length
    maps, notes = read_maps(spoilt, MAPPING, ALONE, Rig())
    assert notes.not_finite == {"pointmap_left": 6, "confidence_right": 1}
    assert notes.warnings == (
        "pointmap_left: 6 of 4096 pixels are not finite",
        "confidence_right: 1 of 4096 pixels are not finite",
    )
    assert np.isnan(maps.left.points).all(axis=-1).sum() == 6
    assert maps.right is not None
    assert np.isnan(maps.right.points[7, 7]).all()


def test_a_low_confidence_becomes_nan_unless_the_images_come_yet() -> None:
    unsure = outputs()
    unsure["confidence_left"][0, :10] = 1.0
    asked = InferOptions(refine="off", min_confidence="15.625%")  # 10 rows of 64
    maps, _ = read_maps(unsure, MAPPING, asked, Rig())
    np.testing.assert_array_equal(
        np.isnan(maps.left.points[..., 0]).sum(axis=1)[:11], 10 * [64] + [0]
    )
    assert np.isfinite(maps.left.confidence).all()
    later = InferOptions(refine="auto", min_confidence="15.625%")
    assert np.isfinite(read_maps(unsure, MAPPING, later, Rig())[0].left.points).all()


def test_points_that_are_all_as_sure_are_kept() -> None:
    """None of them has a larger expected error than the others, and no cloud comes out empty."""
    maps, _ = read_maps(outputs(), MAPPING, replace(ALONE, min_confidence="99%"), Rig())
    assert np.isfinite(maps.left.points).all()


def test_a_network_without_a_finite_point_is_refused() -> None:
    nothing = outputs()
    nothing["pointmap_left"][:] = np.nan
    with pytest.raises(InputError, match="the network gave no finite point for the left image"):
        read_maps(nothing, MAPPING, ALONE, Rig())


def test_a_pose_that_nobody_asked_for_is_a_note() -> None:
    maps, notes = read_maps(garbage(), MAPPING, ALONE, Rig())
    assert maps.pose is None
    (warning,) = notes.warnings
    assert warning.startswith("pose: no camera pose explains the right pointmap")


def test_a_pose_that_the_images_will_give_is_nothing_to_say() -> None:
    maps, notes = read_maps(garbage(), MAPPING, REFINED, Rig())
    assert maps.pose is None
    assert notes.warnings == ()


def test_a_pose_that_is_needed_and_not_there_is_refused() -> None:
    options = InferOptions(view="right", refine="off")
    with pytest.raises(InputError, match="no camera pose explains the right pointmap"):
        read_maps(garbage(), MAPPING, options, Rig())


def test_a_pointmap_wider_than_a_fisheye_is_doubted_unless_the_camera_is_known() -> None:
    wide = outputs()
    wide["pointmap_left"][..., 2] /= 10  # f = 7 px at 64 px: 155 degrees
    _, notes = read_maps(wide, MAPPING, REFINED, Rig())
    assert notes.warnings[0].startswith("camera: the pointmap spans 155 degrees, as no pinhole cam")
    _, notes = read_maps(wide, MAPPING, REFINED, Rig(left=SCENE.left))
    assert notes.warnings == ()


CAMERAS = {
    "option": (InferOptions(intrinsics=Intrinsics(1, 2, 3, 4)), Rig(left=Intrinsics(5, 6, 7, 8))),
    "rig": (InferOptions(), Rig(left=Intrinsics(1, 2, 3, 4), right=Intrinsics(5, 6, 7, 8))),
    "rig (left)": (InferOptions(), Rig(left=Intrinsics(1, 2, 3, 4))),
}


def test_cameras_come_from_the_option_then_the_rig() -> None:
    both = known_cameras(*CAMERAS["option"], MAPPING)
    assert both is not None
    assert [camera.source for camera in both] == ["option", "option"]
    assert both[0].intrinsics == both[1].intrinsics == Intrinsics(1, 2, 3, 4)
    both = known_cameras(*CAMERAS["rig"], MAPPING)
    assert both is not None
    assert [camera.source for camera in both] == ["rig", "rig"]
    assert both[1].intrinsics == Intrinsics(5, 6, 7, 8)
    both = known_cameras(*CAMERAS["rig (left)"], MAPPING)
    assert both is not None
    assert [camera.source for camera in both] == ["rig", "rig (left)"]
    assert known_cameras(InferOptions(), Rig(right=SCENE.right), MAPPING) is None


def test_a_known_right_camera_stands_beside_a_nominal_left_one() -> None:
    maps, _ = read_maps(outputs(), MAPPING, ALONE, Rig(right=SCENE.right))
    assert (maps.camera_left.source, maps.camera_right.source) == ("nominal", "rig")
    assert maps.camera_right.intrinsics == SCENE.right


def test_known_cameras_are_in_pixels_of_the_grid() -> None:
    """Images of 128 px, a grid of 64: half the focal length."""
    mapping = hilly_scene(128).grid(64)
    maps, _ = read_maps(outputs(), mapping, ALONE, Rig(left=hilly_scene(128).left))
    assert maps.camera_left.intrinsics == SCENE.left
    assert maps.camera_right.source == "rig (left)"


def test_cameras_on_another_grid_see_the_same() -> None:
    mapping = hilly_scene(128).grid(64)
    maps, _ = read_maps(outputs(), mapping, ALONE, Rig(left=hilly_scene(128).left))
    left, right = maps.cameras_on(hilly_scene(128).grid())
    assert left.intrinsics == hilly_scene(128).left
    assert (left.source, right.source) == ("rig", "rig (left)")


def test_masking_keeps_the_confidence_and_leaves_its_input_alone() -> None:
    points, confidence = np.ones((4, 4, 3), np.float32), np.full((4, 4), 2, np.float32)
    points[0, 0, 1], confidence[1, 1] = np.nan, 1
    found = PointMap(points, confidence)
    masked = mask_by_confidence("left", found, 0.07)  # of 15 points one
    assert np.isnan(masked.points).all(axis=-1).sum() == 2
    np.testing.assert_array_equal(masked.confidence, confidence)
    assert np.isnan(found.points).sum() == 1
