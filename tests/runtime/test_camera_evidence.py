"""What matches say of the cameras: errors of the pose, and the focal length."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import MatchedRays
from lunar_runtime.refinement.camera_evidence import (
    CameraEvidence,
    camera_evidence,
    draw_poses,
    rescaled,
)
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose

from .scenes import Ground, Scene, flat_scene, rigid, two_cameras

# The right camera came nearer and turned towards what both see: that tells the focal length.
TURNING = two_cameras(Ground(relief_m=60.0), (300.0, 0.0, 300.0))
NOISE_PX = 0.02


def fitted(rays: MatchedRays, scene: Scene = TURNING) -> PoseFit:
    return fit_pose(rays, scene.pose, iterations=30)


def evidence(ratio: float = 1.0, count: int = 2000) -> CameraEvidence:
    """Of noisy matches, seen with a focal length `ratio` times the true one."""
    rays = rescaled(TURNING.rays(count, noise_px=NOISE_PX), ratio)
    return camera_evidence(rays, fitted(rays))


def test_the_right_focal_length_is_not_contradicted() -> None:
    found = evidence()
    assert found.focal_sigma < 0.02
    assert found.focal_ratio == pytest.approx(1, abs=found.focal_sigma)


@pytest.mark.parametrize("ratio", [0.95, 1.05])
def test_a_focal_length_that_is_5_percent_wrong_is_found(ratio: float) -> None:
    found = evidence(ratio, 6000)  # as many as dense matches are
    assert abs(found.focal_ratio - 1) > 3 * found.focal_sigma
    # One step, and far residuals count for less: it goes three quarters of the way.
    assert found.focal_ratio * ratio == pytest.approx(1, abs=0.02)


def test_a_translation_over_a_plane_tells_no_focal_length() -> None:
    flat = flat_scene()
    moved = Scene(flat.ground, flat.left, flat.right, rigid((0, 0, 0), (-250, -20, 15)), 128, 128)
    rays = moved.rays(2000, noise_px=NOISE_PX)
    assert camera_evidence(rays, fitted(rays, moved)).focal_sigma > 1


def test_pose_errors_of_independent_matches_are_their_scatter() -> None:
    found, turns, asides = evidence(), [], []
    for seed in range(20):
        pose = fitted(TURNING.rays(2000, seed, NOISE_PX)).pose
        turns.append(pose.turned_deg(TURNING.pose))
        asides.append(math.degrees(math.acos(min(1.0, float(pose.t @ TURNING.pose.t)))))
    scatter = [float(np.sqrt(np.mean(np.square(found)))) for found in (turns, asides)]
    # Of 20 draws of few numbers each: a third either way.
    np.testing.assert_allclose(np.array(found.sigma_deg), scatter, rtol=0.35)


@pytest.mark.parametrize(("spacing_px", "times"), [(4.0, 8.0), (8.0, 4.0), (64.0, 1.0)])
def test_matches_within_32_px_count_as_one(spacing_px: float, times: float) -> None:
    rays = TURNING.rays(2000, noise_px=NOISE_PX)
    near = camera_evidence(replace(rays, spacing_px=spacing_px), fitted(rays))
    alone = camera_evidence(rays, fitted(rays))
    np.testing.assert_allclose(np.array(near.sigma_deg), times * np.array(alone.sigma_deg))
    assert near.focal_sigma == pytest.approx(times * alone.focal_sigma)


def test_a_pose_that_was_told_has_the_errors_that_were_told() -> None:
    rays = TURNING.rays(2000, noise_px=NOISE_PX)
    told = camera_evidence(rays, fitted(rays), told_deg=(0.3, 2.0))
    assert told.sigma_deg == pytest.approx((0.3, 2.0))
    assert told.focal_ratio == evidence().focal_ratio


def test_draws_of_poses_have_the_covariance() -> None:
    found = evidence()
    poses = draw_poses(TURNING.pose, found, 8)
    turns = [pose.turned_deg(TURNING.pose) for pose in poses]
    cosines = [float(np.clip(pose.t @ TURNING.pose.t, -1, 1)) for pose in poses]
    drawn = [
        math.sqrt(np.mean(np.square(values))) for values in (turns, np.degrees(np.arccos(cosines)))
    ]
    # Eight draws have it exactly; a turn's angle is the length of its small angles to first order.
    np.testing.assert_allclose(drawn, found.sigma_deg, rtol=1e-3)


def test_draws_of_poses_are_poses_and_the_same_every_time() -> None:
    one, other = (draw_poses(TURNING.pose, evidence(), 8) for _ in range(2))
    for pose, again in zip(one, other, strict=True):
        np.testing.assert_array_equal(pose.matrix(), again.matrix())
        np.testing.assert_allclose(pose.R @ pose.R.T, np.eye(3), atol=1e-12)
        assert np.linalg.norm(pose.t) == pytest.approx(1)


def test_another_focal_length_sees_the_same_pixels() -> None:
    rays = TURNING.rays(50)
    seen = rescaled(rays, 1.3)
    np.testing.assert_allclose(seen.left[:, :2] * seen.focal_px, rays.left[:, :2] * rays.focal_px)
    np.testing.assert_array_equal(rays.left, TURNING.rays(50).left)  # left alone
