"""Poses from matched rays whose pose is known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose, sampson_distance
from lunar_runtime.refinement.pose_residuals import rotation_residual_px
from lunar_runtime.refinement.relative_pose import (
    PoseFit,
    best_poses,
    explains,
    fit_pose,
    in_front,
    poses_across,
    start_poses,
)
from numpy.typing import NDArray

from .scenes import Ground, hilly_scene, rigid, two_cameras

Array = NDArray[np.float64]

SCENE = hilly_scene()
FOCAL_PX = 305.0


def thick_scene() -> tuple[RelativePose, Array, Array]:
    """Points scattered between four and six baselines, far from any plane."""
    rng = np.random.default_rng(0)
    depth = rng.uniform(4, 6, 300)
    points = np.c_[rng.uniform(-0.3, 0.3, (300, 2)), np.ones(300)] * depth[:, None]
    t = np.array([0.9, 0.2, -0.1])
    pose = RelativePose(rigid((0.05, -0.1, 0.4), (0, 0, 0))[:3, :3], t / np.linalg.norm(t))
    moved = points @ pose.R.T + pose.t
    return pose, points / points[:, 2:], moved / moved[:, 2:]


def direction_deg(one: RelativePose, other: RelativePose) -> float:
    return float(np.degrees(np.arccos(np.clip(one.t @ other.t, -1, 1))))


def turned(pose: RelativePose, *turn_deg: float) -> RelativePose:
    x, y, z = np.radians(turn_deg)
    turn = rigid((x, y, z), (0, 0, 0))[:3, :3]
    return RelativePose(turn @ pose.R, turn @ pose.t)


def test_exact_matches_give_the_exact_pose() -> None:
    fit = fit_pose(SCENE.rays(), turned(SCENE.pose, 1, -1, 2), width_px=1.0)
    # The cost is flat at its minimum: a ten-millionth of it leaves a thousandth of a pixel.
    assert fit.pose.turned_deg(SCENE.pose) < 1e-3
    assert direction_deg(fit.pose, SCENE.pose) < 1e-2
    assert fit.cost < 1e-6
    assert fit.sigma_px == 0.02  # the finest that residuals are taken for


def test_the_width_can_be_measured_instead_of_told() -> None:
    rays = SCENE.rays(noise_px=0.3)
    fit = fit_pose(rays, turned(SCENE.pose, 0.5, 0, 0.5))
    # The Sampson distance of two noisy pixels: 0.3 px, as each image takes half of both errors.
    assert fit.sigma_px == pytest.approx(0.3, rel=0.15)
    assert fit.pose.turned_deg(SCENE.pose) < 1


def test_a_fit_ends_where_no_small_move_lowers_the_cost() -> None:
    pose, left, right = thick_scene()
    right[:, :2] += np.random.default_rng(1).normal(0, 3 / FOCAL_PX, (len(right), 2))
    width_px = 6.0

    def cost(candidate: RelativePose) -> float:
        residual = sampson_distance(left, right, candidate) * FOCAL_PX
        return float(np.sum(residual**2 / (residual**2 + (2.385 * width_px) ** 2)))

    fit = fit_pose(MatchedRays(left, right, FOCAL_PX), pose, width_px=width_px)
    assert fit.cost == pytest.approx(cost(fit.pose), rel=1e-9)
    step = 1e-5
    for axis in np.vstack([np.eye(3), -np.eye(3)]):
        turn = np.asarray(cv2.Rodrigues(step * axis)[0])
        assert cost(RelativePose(turn @ fit.pose.R, fit.pose.t)) > fit.cost
        assert cost(RelativePose(fit.pose.R, turn @ fit.pose.t)) > fit.cost * (1 - 1e-9)


def test_the_pose_comes_back_from_noisy_matches_with_a_third_wrong() -> None:
    pose, left, right = thick_scene()
    rng = np.random.default_rng(1)
    right = right + np.c_[rng.normal(0, 0.2 / FOCAL_PX, (300, 2)), np.zeros(300)]
    right[::3, :2] = rng.uniform(-0.3, 0.3, (100, 2))
    rays = MatchedRays(left, right, FOCAL_PX)
    found = best_poses(rays, start_poses(rays))[0].pose
    assert found.turned_deg(pose) < 0.2
    assert direction_deg(found, pose) < 2


def test_starts_are_near_the_pose_and_the_same_every_time() -> None:
    rays = SCENE.rays(noise_px=0.1)
    cv2.setRNGSeed(77)
    first = start_poses(rays)
    cv2.setRNGSeed(78)
    np.random.default_rng(0)
    second = start_poses(rays)
    assert min(start.turned_deg(SCENE.pose) for start in first) < 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.matrix(), other.matrix())


def test_too_few_matches_give_no_start() -> None:
    assert start_poses(SCENE.rays(4)) == []


def test_the_best_pose_puts_the_matches_before_both_cameras() -> None:
    """The same epipolar lines, seen backwards, are turned round."""
    backwards = RelativePose(SCENE.pose.R, -SCENE.pose.t)
    (fit,) = best_poses(SCENE.rays(), [backwards])
    assert direction_deg(fit.pose, SCENE.pose) < 0.1
    assert in_front(SCENE.rays(), fit.pose) == 1


def test_starts_that_end_alike_are_one_pose() -> None:
    starts = [turned(SCENE.pose, 0.2 * k, 0, -0.1 * k) for k in range(4)]
    assert len(best_poses(SCENE.rays(), starts)) == 1


def test_a_pose_that_explains_worse_is_left_out_and_the_best_comes_first() -> None:
    rays = SCENE.rays(noise_px=0.1)
    far = RelativePose(turned(SCENE.pose, 0, 0, 90).R, np.array([0.0, 1.0, 0.0]))
    fits = best_poses(rays, [far, SCENE.pose])
    assert fits[0].pose.turned_deg(SCENE.pose) < 0.5
    assert all(fit.cost <= 1.15 * fits[0].cost for fit in fits)


def test_on_a_plane_several_poses_are_kept_for_the_dense_matches() -> None:
    """A plane is seen alike by two poses (Longuet-Higgins 1986): of equal cost, both stay."""
    plane = two_cameras(Ground(tilt_deg=30, azimuth_deg=0, relief_m=0), (250.0, 0.0, 200.0))
    rays = plane.rays(noise_px=0.1)
    # The homography R + t nᵀ / d of the plane, taken apart again.
    normal = -plane.ground.normal
    distance = plane.ground.height_of_camera_m / plane.baseline_m
    H = plane.pose.R + np.outer(plane.pose.t, normal) / distance
    _, rotations, moves, _ = cv2.decomposeHomographyMat(H, np.eye(3))
    starts = [
        RelativePose(np.asarray(R), np.asarray(t).ravel() / np.linalg.norm(t))
        for R, t in zip(rotations, moves, strict=True)
    ]
    fits = best_poses(rays, starts)
    assert len(fits) == 2
    assert min(fit.pose.turned_deg(plane.pose) for fit in fits) < 0.5
    assert fits[0].pose.turned_deg(fits[1].pose) > 5


def test_no_start_before_both_cameras_gives_no_pose() -> None:
    """Rays that meet behind one camera as often as before it."""
    rays = SCENE.rays()
    d = rays.inverse_depth(SCENE.pose)
    turned_left = rays.left @ SCENE.pose.R.T
    sign = np.where(np.arange(len(rays)) % 2, 1.0, -1.0)[:, None]
    right = turned_left + sign * d[:, None] * SCENE.pose.t
    mixed = replace(rays, right=right / right[:, 2:])
    assert in_front(mixed, SCENE.pose) == 0.5
    assert best_poses(mixed, [SCENE.pose]) == []


def test_a_pose_explains_when_half_of_the_matches_agree() -> None:
    assert explains(PoseFit(SCENE.pose, 50.0, 0.1), 100)
    assert not explains(PoseFit(SCENE.pose, 50.1, 0.1), 100)


def test_from_every_direction_across_the_view_one_start_leads_to_the_pose() -> None:
    rays = SCENE.rays(noise_px=0.1)
    starts = poses_across(rays)
    assert len(starts) == 6
    assert best_poses(rays, starts)[0].pose.turned_deg(SCENE.pose) < 0.5


def test_nothing_is_in_front_of_no_matches() -> None:
    assert in_front(SCENE.rays().where(np.zeros(300, bool)), SCENE.pose) == 0


def test_a_turn_alone_leaves_nothing_and_a_baseline_leaves_its_parallax() -> None:
    rays = SCENE.rays()
    R = SCENE.pose.R
    only_turned = replace(rays, right=rays.left @ R.T)
    assert rotation_residual_px(only_turned, SCENE.pose) < 1e-6
    # A tilt of 8 deg and hills of 12 m: parallax of some percent of 250 m at 141 px a km.
    assert rotation_residual_px(rays, SCENE.pose) > 0.5
