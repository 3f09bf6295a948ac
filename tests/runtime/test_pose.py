from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.pose import right_from_left_pose, transform_points
from numpy.typing import NDArray

HEIGHT, WIDTH = 96, 128
CAMERA = Intrinsics(150.0, 140.0, 60.0, 50.0)


def _pose(
    turn: tuple[float, float, float], move: tuple[float, float, float]
) -> NDArray[np.float64]:
    pose = np.eye(4)
    pose[:3, :3] = cv2.Rodrigues(np.array(turn, np.float64))[0]
    pose[:3, 3] = move
    return pose


def _right_pointmap(
    right_from_left: NDArray[np.float64], relief: float = 1.0, depth: float = 30.0
) -> NDArray[np.float64]:
    """Hills seen by the right camera, in the left one's frame."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    hills = depth + relief * (np.sin(column / 17) + np.cos(row / 13)) + 0.01 * row
    seen = hills[..., None] * pixel_rays(CAMERA, HEIGHT, WIDTH).astype(np.float64)
    return transform_points(np.linalg.inv(right_from_left), seen)


POSES = {
    "unmoved": _pose((0, 0, 0), (0, 0, 0)),
    "sideways": _pose((0, 0, 0), (-3.0, 0, 0)),
    "ahead": _pose((0.02, -0.01, 0), (0.1, 0.2, -8.0)),
    "turned": _pose((0.1, -0.2, 0.3), (4.0, -2.0, 1.0)),
    "rolled": _pose((0.2, 0.1, np.radians(-119)), (4.0, -2.0, 1.0)),
    "upside down": _pose((0.0, 0.0, np.pi), (4.0, 1.0, 0.0)),
    "narrow": _pose((0, 0, 0.01), (-0.5, 0.1, 0)),
}


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("relief", [0.0, 1.0])
def test_the_pose_is_recovered(name: str, relief: float) -> None:
    estimate = right_from_left_pose(_right_pointmap(POSES[name], relief), CAMERA)
    # The rays are float32: 6e-8 x 30 of depth, and a nearly flat scene amplifies it some ten times.
    np.testing.assert_allclose(estimate.right_from_left, POSES[name], atol=2e-5)
    assert estimate.inlier_fraction == 1
    assert estimate.reprojection_px < 1e-4


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_scales_the_translation_alone(scale: float) -> None:
    estimate = right_from_left_pose(scale * _right_pointmap(POSES["turned"]), CAMERA)
    expected = POSES["turned"].copy()
    expected[:3, 3] *= scale
    np.testing.assert_allclose(estimate.right_from_left[:3, :3], expected[:3, :3], atol=1e-6)
    np.testing.assert_allclose(
        estimate.right_from_left[:3, 3] / scale, expected[:3, 3] / scale, atol=2e-5
    )


def test_convention_pixels_of_the_pointmap_are_centred_at_one_half() -> None:
    """A principal point half a pixel to the right shows as half a pixel of turn to the left."""
    shifted = Intrinsics(CAMERA.fx, CAMERA.fy, CAMERA.cx + 0.5, CAMERA.cy)
    R = right_from_left_pose(_right_pointmap(POSES["unmoved"], 8.0), shifted).right_from_left
    assert R[0, 2] == pytest.approx(-0.5 / CAMERA.fx, rel=0.3)  # a move takes the rest


def test_convention_right_from_left_maps_left_points_into_the_right_camera() -> None:
    pointmap = _right_pointmap(POSES["turned"])
    pose = right_from_left_pose(pointmap, CAMERA).right_from_left
    pixel = transform_points(pose, pointmap) @ CAMERA.matrix().T
    pixel = pixel[..., :2] / pixel[..., 2:]
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    np.testing.assert_allclose(pixel, np.stack([column + 0.5, row + 0.5], -1), atol=1e-4)


def test_wrong_points_do_not_move_the_pose() -> None:
    rng = np.random.default_rng(0)
    pointmap = _right_pointmap(POSES["turned"])
    wrong = rng.random((HEIGHT, WIDTH)) < 0.4
    pointmap[wrong] += rng.uniform(-15, 15, (np.count_nonzero(wrong), 3))
    estimate = right_from_left_pose(pointmap, CAMERA)
    np.testing.assert_allclose(estimate.right_from_left, POSES["turned"], atol=1e-4)
    # some of the wrong ones land near their pixel by chance
    assert 0.55 < estimate.inlier_fraction < 0.7
    assert estimate.reprojection_px < 0.01


def test_noise_averages_out() -> None:
    rng = np.random.default_rng(0)
    pointmap = _right_pointmap(POSES["turned"], 3.0)
    pointmap *= 1 + 0.01 * rng.standard_normal((HEIGHT, WIDTH, 1))  # 1 % of 30 in range
    estimate = right_from_left_pose(pointmap, CAMERA)
    # 3100 points of 0.3: the mean is good to 0.005; turn and move trade off, some ten times that
    np.testing.assert_allclose(estimate.right_from_left[:3, 3], POSES["turned"][:3, 3], atol=0.1)


def test_invalid_and_unsure_points_are_ignored() -> None:
    pointmap = _right_pointmap(POSES["turned"])
    confidence = np.ones((HEIGHT, WIDTH))
    pointmap[:30] = np.nan
    pointmap[30:70] *= 2
    confidence[30:70] = 0
    confidence[70:72] = np.nan
    estimate = right_from_left_pose(pointmap, CAMERA, confidence)
    np.testing.assert_allclose(estimate.right_from_left, POSES["turned"], atol=1e-4)
    assert estimate.inlier_fraction == 1


def test_the_same_input_gives_the_same_pose() -> None:
    rng = np.random.default_rng(3)
    pointmap = _right_pointmap(POSES["turned"]) + 0.3 * rng.standard_normal((HEIGHT, WIDTH, 3))
    first = right_from_left_pose(pointmap, CAMERA)
    rng.random()
    cv2.setRNGSeed(99)
    second = right_from_left_pose(pointmap, CAMERA)
    np.testing.assert_array_equal(first.right_from_left, second.right_from_left)


def test_the_rotation_is_a_rotation() -> None:
    pose = right_from_left_pose(_right_pointmap(POSES["rolled"]), CAMERA).right_from_left
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-14)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    np.testing.assert_array_equal(pose[3], [0, 0, 0, 1])


def test_points_that_are_no_scene_are_refused() -> None:
    garbage = np.random.default_rng(0).standard_normal((HEIGHT, WIDTH, 3))
    with pytest.raises(InputError, match="no camera pose explains the right pointmap") as caught:
        right_from_left_pose(garbage, CAMERA)
    assert "\n" not in str(caught.value)
    assert "give the pose in a rig file" in str(caught.value)


def test_too_few_points_are_refused() -> None:
    pointmap = _right_pointmap(POSES["turned"])
    pointmap[3:] = np.nan
    pointmap[:, 4:] = np.nan
    with pytest.raises(InputError, match="needs 16 finite points of the right pointmap; there are"):
        right_from_left_pose(pointmap, CAMERA)
    with pytest.raises(InputError, match="single point"):
        right_from_left_pose(np.ones((8, 8, 3)), CAMERA)


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\), not \(4, 3\)"):
        right_from_left_pose(np.ones((4, 3)), CAMERA)
    with pytest.raises(InputError, match=r"confidence must be \(8, 9\), not \(9, 8\)"):
        right_from_left_pose(np.ones((8, 9, 3)), CAMERA, np.ones((9, 8)))


def test_transform_points_maps_a_into_b() -> None:
    b_from_a = _pose((0, 0, np.pi / 2), (1, 2, 3))
    np.testing.assert_allclose(transform_points(b_from_a, np.array([1.0, 0, 0])), [1, 3, 3])
    assert transform_points(b_from_a, np.ones((2, 4, 3), np.float32)).dtype == np.float32
    assert transform_points(b_from_a, np.ones((2, 3), np.int64)).dtype == np.float64
    with pytest.raises(InputError, match=r"must be \(4, 4\) and \(\.\.\., 3\)"):
        transform_points(np.eye(3), np.ones(3))
    with pytest.raises(InputError, match=r"must be \(4, 4\) and \(\.\.\., 3\)"):
        transform_points(np.eye(4), np.ones((3, 2)))
