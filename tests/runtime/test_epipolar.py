"""Two rays and a pose: what is known in closed form."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.epipolar import (
    EpipolarField,
    RelativePose,
    inverse_depth,
    rays_of,
    sampson_distance,
)
from lunar_runtime.refinement.relative_pose import best_poses, fit_pose, start_poses

CAMERA = Intrinsics(fx=300.0, fy=310.0, cx=101.0, cy=77.0)
FOCAL_PX = 305.0


def pose() -> RelativePose:
    t = np.array([0.9, 0.2, -0.1])
    return RelativePose(cv2.Rodrigues(np.array([0.05, -0.1, 0.4]))[0], t / np.linalg.norm(t))


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    depth = rng.uniform(4, 6, 300)
    rays = np.c_[rng.uniform(-0.3, 0.3, (300, 2)), np.ones(300)]
    return rays * depth[:, None]


def seen(points):
    moved = points @ pose().R.T + pose().t
    return points / points[:, 2:], moved / moved[:, 2:]


def test_a_triangulated_ray_has_its_depth(points):
    left, right = seen(points)
    np.testing.assert_allclose(inverse_depth(left, right, pose()), 1 / points[:, 2], rtol=1e-9)


def test_the_right_camera_sees_the_left_one_backwards(points):
    left, right = seen(points)
    depth = (points @ pose().R.T + pose().t)[:, 2]
    np.testing.assert_allclose(inverse_depth(right, left, pose().inverse()), 1 / depth, rtol=1e-9)


def test_a_fit_ends_where_no_small_move_lowers_the_cost(points):
    left, right = seen(points)
    right[:, :2] += np.random.default_rng(1).normal(0, 3 / FOCAL_PX, (len(right), 2))
    width_px = 6.0

    def cost(candidate):
        residual = sampson_distance(left, right, candidate) * FOCAL_PX
        return np.sum(residual**2 / (residual**2 + (2.385 * width_px) ** 2))

    fit = fit_pose(left, right, pose(), FOCAL_PX, width_px=width_px)
    assert fit.cost == pytest.approx(cost(fit.pose), rel=1e-9)
    step = 1e-5
    for axis in np.vstack([np.eye(3), -np.eye(3)]):
        turn = cv2.Rodrigues(step * axis)[0]
        assert cost(RelativePose(turn @ fit.pose.R, fit.pose.t)) > fit.cost
        assert cost(RelativePose(fit.pose.R, turn @ fit.pose.t)) > fit.cost * (1 - 1e-9)


def test_consistent_rays_have_no_distance_and_a_shift_has_its_own(points):
    left, right = seen(points)
    np.testing.assert_allclose(sampson_distance(left, right, pose()), 0, atol=1e-12)
    t = np.cross(pose().t, [0, 0, 1])  # across the lines, nearly
    shifted = right + 1e-4 * np.r_[t[:2] / np.linalg.norm(t[:2]), 0]
    distance = np.abs(sampson_distance(left, shifted, pose()))
    # The correction is shared between both images: 1 / sqrt(2) of the shift.
    assert np.median(distance) == pytest.approx(1e-4 / np.sqrt(2), rel=0.1)


def test_a_field_projects_as_a_camera_does_and_back():
    field = EpipolarField(CAMERA, CAMERA, pose(), 30, 40)
    d = np.full((30, 40), 0.2, np.float32)
    u, v = field.project(d)
    points = (field.rays / 0.2) @ pose().R.T + pose().t
    np.testing.assert_allclose(u, CAMERA.fx * points[..., 0] / points[..., 2] + CAMERA.cx, 1e-4)
    np.testing.assert_allclose(v, CAMERA.fy * points[..., 1] / points[..., 2] + CAMERA.cy, 1e-4)
    np.testing.assert_allclose(field.triangulate(u, v), d, rtol=1e-3)


def test_its_motion_is_the_derivative():
    field = EpipolarField(CAMERA, CAMERA, pose(), 30, 40)
    d, step = np.full((30, 40), 0.2, np.float32), np.float32(0.01)
    ahead, behind = field.project(d + step), field.project(d - step)
    for motion, a, b in zip(field.motion(d), ahead, behind, strict=True):
        np.testing.assert_allclose(motion, (a - b) / (2 * step), rtol=2e-2, atol=0.3)


def test_a_point_in_the_right_cameras_own_plane_has_no_pixel_and_no_motion():
    # That Z is exactly zero is rare, and hangs on the processor's rounding.
    ahead = RelativePose(np.eye(3), np.array([0.0, 0.0, -1.0]))
    field, one = EpipolarField(CAMERA, CAMERA, ahead, 2, 3), np.ones((2, 3), np.float32)
    for plane in (*field.project(one), *field.motion(one)):
        assert np.isnan(plane).all()


def test_the_pose_comes_back_from_noisy_matches_with_a_third_wrong(points):
    left, right = seen(points)
    rng = np.random.default_rng(1)
    right = right + np.c_[rng.normal(0, 0.2 / FOCAL_PX, (300, 2)), np.zeros(300)]
    right[::3, :2] = rng.uniform(-0.3, 0.3, (100, 2))
    found = best_poses(left, right, FOCAL_PX, start_poses(left, right, FOCAL_PX))[0].pose
    assert found.turned_deg(pose()) < 0.2
    assert np.degrees(np.arccos(found.t @ pose().t)) < 2


def test_pixels_become_rays_about_the_principal_point():
    rays = rays_of(np.array([[101.0, 77.0], [401.0, 387.0]]), CAMERA)
    np.testing.assert_allclose(rays, [[0, 0, 1], [1, 1, 1]])
