"""Two rays and a pose: what is known in closed form."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.epipolar import (
    EpipolarField,
    MatchedRays,
    RelativePose,
    cross_matrix,
    inverse_depth,
    rays_of,
    sampson_distance,
)
from numpy.typing import NDArray

from .scenes import hilly_scene

CAMERA = Intrinsics(fx=300.0, fy=310.0, cx=101.0, cy=77.0)
FOCAL_PX = 305.0

Array = NDArray[np.float64]


def pose() -> RelativePose:
    t = np.array([0.9, 0.2, -0.1])
    R = np.asarray(cv2.Rodrigues(np.array([0.05, -0.1, 0.4]))[0], np.float64)
    return RelativePose(R, t / np.linalg.norm(t))


@pytest.fixture
def points() -> Array:
    rng = np.random.default_rng(0)
    depth = rng.uniform(4, 6, 300)
    rays = np.c_[rng.uniform(-0.3, 0.3, (300, 2)), np.ones(300)]
    return np.asarray(rays * depth[:, None])


def seen(points: Array) -> tuple[Array, Array]:
    moved = points @ pose().R.T + pose().t
    return points / points[:, 2:], moved / moved[:, 2:]


def test_convention_the_pose_maps_left_points_into_the_right_camera() -> None:
    """A right camera one baseline to the right sees every point one baseline further left."""
    right = RelativePose(np.eye(3), np.array([-1.0, 0.0, 0.0]))
    point = np.array([[0.0, 0.0, 5.0]])
    u, _ = EpipolarField(CAMERA, CAMERA, right, 160, 210).project(
        np.full((160, 210), 1 / 5, np.float32)
    )
    centre = int(CAMERA.cy), int(CAMERA.cx)
    assert u[centre] == pytest.approx(centre[1] + 0.5 - CAMERA.fx / 5, abs=1e-3)  # float32
    np.testing.assert_array_equal(right.matrix(2.0)[:3, 3], [-2, 0, 0])
    assert inverse_depth(point / 5, (point - [1, 0, 0]) / 5, right) == pytest.approx(1 / 5)


def test_convention_inverse_depth_is_baseline_over_z() -> None:
    scene = hilly_scene()
    points = scene.points_left.reshape(-1, 3)[::97]
    right = scene.seen_from_right(points)
    d = inverse_depth(points / points[:, 2:], right / right[:, 2:], scene.pose)
    np.testing.assert_allclose(d, scene.baseline_m / points[:, 2], rtol=1e-9)  # float64 rounding


def test_convention_rays_of_pixel_centres_are_those_of_the_image() -> None:
    row, column = np.mgrid[:3, :4]
    pixels = np.stack([column + 0.5, row + 0.5], axis=-1)
    expected = pixel_rays(CAMERA, 3, 4).reshape(-1, 3)
    np.testing.assert_allclose(rays_of(pixels, CAMERA), expected, atol=1e-6)  # float32 rays


def test_a_triangulated_ray_has_its_depth(points: Array) -> None:
    left, right = seen(points)
    np.testing.assert_allclose(inverse_depth(left, right, pose()), 1 / points[:, 2], rtol=1e-9)


def test_the_right_camera_sees_the_left_one_backwards(points: Array) -> None:
    left, right = seen(points)
    depth = (points @ pose().R.T + pose().t)[:, 2]
    np.testing.assert_allclose(inverse_depth(right, left, pose().inverse()), 1 / depth, rtol=1e-9)


def test_a_pose_and_its_inverse_cancel() -> None:
    product = pose().inverse().matrix() @ pose().matrix()
    np.testing.assert_allclose(product, np.eye(4), atol=1e-12)


def test_the_angle_between_two_poses_is_that_of_their_rotations() -> None:
    turn = np.asarray(cv2.Rodrigues(np.radians([0.0, 3.0, 4.0]))[0])
    assert pose().turned_deg(RelativePose(turn @ pose().R, -pose().t)) == pytest.approx(5)
    assert pose().turned_deg(pose()) == pytest.approx(0, abs=1e-5)  # arccos near 1


def test_a_cross_matrix_is_a_cross_product() -> None:
    v, w = np.array([1.0, -2.0, 3.0]), np.array([0.5, 4.0, 1.0])
    np.testing.assert_allclose(cross_matrix(v) @ w, np.cross(v, w))


def test_consistent_rays_have_no_distance_and_a_shift_has_its_own(points: Array) -> None:
    left, right = seen(points)
    np.testing.assert_allclose(sampson_distance(left, right, pose()), 0, atol=1e-12)
    t = np.cross(pose().t, [0, 0, 1])  # across the lines, nearly
    shifted = right + 1e-4 * np.r_[t[:2] / np.linalg.norm(t[:2]), 0]
    distance = np.abs(sampson_distance(left, shifted, pose()))
    # The correction is shared between both images: 1 / sqrt(2) of the shift.
    assert np.median(distance) == pytest.approx(1e-4 / np.sqrt(2), rel=0.1)


def test_matched_rays_measure_in_pixels(points: Array) -> None:
    left, right = seen(points)
    rays = MatchedRays(left, right + np.array([0.0, 1e-3, 0.0]), FOCAL_PX)
    expected = np.abs(sampson_distance(rays.left, rays.right, pose())) * FOCAL_PX
    np.testing.assert_array_equal(rays.distance_px(pose()), expected)
    np.testing.assert_array_equal(
        rays.inverse_depth(pose()), inverse_depth(left, rays.right, pose())
    )
    chosen = np.arange(300) % 3 == 0
    assert (len(rays), len(rays.where(chosen))) == (300, 100)
    np.testing.assert_array_equal(rays.where(chosen).right, rays.right[::3])


def test_matched_pixels_of_a_pair_become_rays_of_its_two_cameras() -> None:
    scene = hilly_scene()
    pixel = np.array([[10.0, 20.0], [30.5, 40.5]])
    rays = MatchedRays.of(scene.views(), pixel, pixel + 1)
    np.testing.assert_array_equal(rays.left, rays_of(pixel, scene.left))
    np.testing.assert_array_equal(rays.right, rays_of(pixel + 1, scene.right))
    assert rays.focal_px == scene.left.fx


def test_a_field_projects_as_a_camera_does_and_back() -> None:
    field = EpipolarField(CAMERA, CAMERA, pose(), 30, 40)
    d = np.full((30, 40), 0.2, np.float32)
    u, v = field.project(d)
    points = (field.rays / 0.2) @ pose().R.T + pose().t
    np.testing.assert_allclose(u, CAMERA.fx * points[..., 0] / points[..., 2] + CAMERA.cx, 1e-4)
    np.testing.assert_allclose(v, CAMERA.fy * points[..., 1] / points[..., 2] + CAMERA.cy, 1e-4)
    np.testing.assert_allclose(field.triangulate(u, v), d, rtol=1e-3)


def test_a_field_of_a_pair_leads_to_the_right_pixels_of_its_ground() -> None:
    scene = hilly_scene()
    u, v = EpipolarField.of(scene.views(), scene.pose).project(scene.inverse_depth)
    expected = scene.pixels_right(scene.points_left)
    # float32: 1e-7 of 100 px, after a handful of operations
    np.testing.assert_allclose(np.stack([u, v], axis=-1), expected, atol=1e-3)


def test_what_lies_behind_the_right_camera_has_no_pixel() -> None:
    ahead = RelativePose(np.eye(3), np.array([0.0, 0.0, -1.0]))  # one baseline further on
    field = EpipolarField(CAMERA, CAMERA, ahead, 4, 4)
    depth = np.array([0.5, 0.9, 1.1, 2.0], np.float32)
    u, _ = field.project(np.tile(1 / depth, (4, 1)))
    assert np.isnan(u).tolist() == [[True, True, False, False]] * 4


def test_its_motion_is_the_derivative() -> None:
    field = EpipolarField(CAMERA, CAMERA, pose(), 30, 40)
    d, step = np.full((30, 40), 0.2, np.float32), np.float32(0.01)
    ahead, behind = field.project(d + step), field.project(d - step)
    for motion, a, b in zip(field.motion(d), ahead, behind, strict=True):
        np.testing.assert_allclose(motion, (a - b) / (2 * step), rtol=2e-2, atol=0.3)


def test_a_point_in_the_right_cameras_own_plane_has_no_pixel_and_no_motion() -> None:
    # That Z is exactly zero is rare, and hangs on the processor's rounding.
    ahead = RelativePose(np.eye(3), np.array([0.0, 0.0, -1.0]))
    field, one = EpipolarField(CAMERA, CAMERA, ahead, 2, 3), np.ones((2, 3), np.float32)
    for plane in (*field.project(one), *field.motion(one)):
        assert np.isnan(plane).all()


def test_pixels_become_rays_about_the_principal_point() -> None:
    rays = rays_of(np.array([[101.0, 77.0], [401.0, 387.0]]), CAMERA)
    np.testing.assert_allclose(rays, [[0, 0, 1], [1, 1, 1]])
