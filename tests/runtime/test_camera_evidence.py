"""What matches say of the cameras: errors of the pose, and the focal length."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import MatchedRays
from lunar_runtime.refinement import camera_evidence as camera_evidence_module
from lunar_runtime.refinement.camera_evidence import (
    CameraEvidence,
    camera_evidence,
    draw_poses,
)
from lunar_runtime.refinement.fitted_matches import focal_evidence, shared_by
from lunar_runtime.refinement.misfit import Misfit
from lunar_runtime.refinement.misfit_errors import with_misfit, with_untested
from lunar_runtime.refinement.prior import Prior
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose
from lunar_runtime.refinement.surface import GivenPose, Surface
from lunar_runtime.refinement.told_numbers import TOLD, CameraNumber, changed, rescaled

from .scenes import Ground, Scene, flat_scene, hilly_scene, rigid, two_cameras

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


def test_the_focal_length_alone_is_asked_for_as_among_the_others() -> None:
    rays = rescaled(TURNING.rays(2000, noise_px=NOISE_PX), 1.02)
    fit = fitted(rays)
    every = camera_evidence(rays, fit)
    assert focal_evidence(rays, fit) == (every.focal_ratio, every.focal_sigma)


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


def test_pose_errors_of_cameras_that_err_are_the_scatter_through_such_cameras() -> None:
    rays = replace(TURNING.rays(2000, noise_px=NOISE_PX), focal_sigma=TOLD["focal"])
    found = camera_evidence(rays, fitted(rays))
    assert found.erring
    rng, turns, asides = np.random.default_rng(0), [], []
    for _ in range(40):
        seen = rays
        for number, told in TOLD.items():
            seen = changed(seen, number, told * rng.standard_normal())
        pose = fitted(seen).pose
        turns.append(pose.turned_deg(TURNING.pose))
        asides.append(math.degrees(math.acos(min(1.0, float(pose.t @ TURNING.pose.t)))))
    scatter = [float(np.sqrt(np.mean(np.square(found)))) for found in (turns, asides)]
    # Each number's worst is told to a third by 40 draws, and the images narrow some of it.
    np.testing.assert_allclose(np.array(found.real_sigma_deg()), scatter, rtol=0.4)
    assert found.real_sigma_deg()[0] > 3 * found.sigma_deg[0]


def test_pose_errors_of_cameras_that_are_right_are_the_matches_alone() -> None:
    found = evidence()
    assert not found.erring
    assert found.real_sigma_deg() == found.sigma_deg


def test_a_held_pose_does_not_follow_its_cameras() -> None:
    rays = replace(TURNING.rays(2000, noise_px=NOISE_PX), focal_sigma=0.01)
    given = GivenPose(TURNING.pose, held=True, sigma_deg=(0.3, 2.0))
    assert camera_evidence(rays, fitted(rays), given).real_sigma_deg() == pytest.approx((0.3, 2.0))


@pytest.mark.parametrize(("spacing_px", "times"), [(4.0, 8.0), (8.0, 4.0), (64.0, 1.0)])
def test_matches_within_32_px_count_as_one(spacing_px: float, times: float) -> None:
    rays = TURNING.rays(2000, noise_px=NOISE_PX)
    near = camera_evidence(replace(rays, spacing_px=spacing_px), fitted(rays))
    alone = camera_evidence(rays, fitted(rays))
    # The variance of a pose grows beside: by (0.02 px / 0.1 px)², a twenty-fifth.
    wider = times * math.sqrt(1 + (NOISE_PX / 0.1) ** 2)
    np.testing.assert_allclose(near.sigma_deg, wider * np.array(alone.sigma_deg), rtol=0.01)
    assert near.focal_sigma == pytest.approx(times * alone.focal_sigma)


def test_a_pose_that_is_held_has_the_errors_that_were_told_and_tells_more_of_the_cameras() -> None:
    rays = TURNING.rays(2000, noise_px=NOISE_PX)
    given = GivenPose(TURNING.pose, held=True, sigma_deg=(0.3, 2.0))
    told = camera_evidence(rays, fitted(rays), given)
    assert told.sigma_deg == pytest.approx((0.3, 2.0))
    sure = camera_evidence(rays, fitted(rays), given._replace(sigma_deg=(0.001, 0.001)))
    assert sure.focal_sigma < 0.7 * evidence().focal_sigma


def test_a_number_that_the_images_cannot_tell_is_no_misfit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Straight down over a plane the focal length is told to some hundred times itself."""
    monkeypatch.setitem(camera_evidence_module._SIGMAS, "focal", 1.0)
    flat = flat_scene()
    moved = Scene(flat.ground, flat.left, flat.right, rigid((0, 0, 0), (-250, -20, 15)), 128, 128)
    rays = moved.rays(2000, noise_px=NOISE_PX)
    x, y = rays.left[:, 0], rays.left[:, 1]
    bent = rays.right + np.stack([0 * x, 1e-4 * x**2 * y, 0 * x], axis=-1)
    rays = replace(rays, right=bent)
    found = camera_evidence(rays, fit_pose(rays, moved.pose, iterations=30))
    assert abs(found.focal_ratio - 1) > found.focal_sigma > 1
    assert "focal" not in [one.number for one in found.misfits]


CHANGES: list[tuple[CameraNumber, float]] = [
    ("focal", 0.05),
    ("zoom", 0.05),
    ("centre_x", 0.1),
    ("centre_y", -0.1),
    ("lens", -0.1),
]


@pytest.mark.parametrize(("number", "change"), CHANGES)
def test_a_wrong_number_of_the_cameras_is_a_misfit(number: CameraNumber, change: float) -> None:
    rays = changed(TURNING.rays(6000, noise_px=NOISE_PX), number, change)
    found = {one.number: one for one in camera_evidence(rays, fitted(rays)).misfits}
    # One step, and far residuals count for less.
    assert found[number].own_change() == pytest.approx(-change, rel=0.5)
    assert found[number].depth_change > 0.002
    if number == "focal":  # depths in baselines go with it, however little their shape does
        assert found[number].depth_change > 0.02


def test_right_cameras_have_no_misfit() -> None:
    assert evidence(count=6000).misfits == ()


@pytest.mark.parametrize(("spacing_px", "times"), [(6.0, 28.4), (3.0, 113.8), (64.0, 1.0)])
def test_dense_matches_tell_less_by_as_many(spacing_px: float, times: float) -> None:
    """Neighbours within 32 pixels err alike."""
    rays = replace(TURNING.rays(10), spacing_px=spacing_px)
    assert shared_by(rays) == pytest.approx(times, abs=0.1)


def test_a_misfit_widens_the_errors_of_the_surface() -> None:
    scene = hilly_scene()
    sigma = np.full((128, 128), 1e-3, np.float32)
    prior = Prior(scene.inverse_depth, 0.01, sigma, None)
    surface = Surface(
        scene.inverse_depth, sigma, sigma > 0, np.zeros((8, 64, 64), np.float32), prior, 1.0, 1.0
    )
    lens = Misfit("lens", -0.2, 0.01, 0.01, scene.left.fx, (0.0,) * 5)
    wider = with_misfit(scene.views().left, scene.pose, surface, lens)
    corner = np.s_[:8, :8]
    assert np.median(wider.sigma[corner]) > 5 * np.median(surface.sigma)
    assert np.abs(wider.draws).max() > 5e-3
    np.testing.assert_array_equal(wider.draws[0], -wider.draws[1])


def test_what_the_images_leave_open_of_told_cameras_widens_the_surfaces_errors() -> None:
    scene = hilly_scene()
    sigma = np.full((128, 128), 1e-4, np.float32)
    prior = Prior(scene.inverse_depth, 0.01, sigma, None)
    draws = np.zeros((8, 64, 64), np.float32)
    surface = Surface(scene.inverse_depth, sigma, sigma > 0, draws, prior, 1.0, 1.0)
    few, many = (evidence(count=count).untested for count in (60, 6000))
    assert [one.number for one in few] == ["focal", "centre_x", "centre_y", "zoom", "lens"]
    # More matches leave less open.
    assert all(abs(b.change) < abs(a.change) for a, b in zip(few, many, strict=True))
    view = scene.views().left
    wide, narrow = (with_untested(view, scene.pose, surface, numbers) for numbers in (few, many))
    assert np.median(wide.sigma) > np.median(narrow.sigma) > np.median(sigma)
    assert with_untested(view, scene.pose, surface, ()).sigma.max() == pytest.approx(1e-4)
    assert wide.draws is draws


@pytest.mark.parametrize("ratio", [0.98, 1.02])
def test_a_change_that_the_images_ask_for_leaves_more_open_than_what_was_told(ratio: float) -> None:
    right, wrong = (evidence(one, 6000).untested[0] for one in (1.0, ratio))
    assert right.number == wrong.number == "focal"
    assert abs(right.change) < 0.002  # as told, at most
    # One step, and far residuals count for less: it goes half of the way and more.
    assert abs(wrong.change) > 0.01


def test_a_poses_errors_have_no_floor_of_independent_matches() -> None:
    """The robust cost is 0.02 px wide at least; matches may be better."""
    fine, coarse = (TURNING.rays(2000, noise_px=noise) for noise in (0.002, 0.02))
    small, large = (camera_evidence(rays, fitted(rays)).sigma_deg for rays in (fine, coarse))
    np.testing.assert_allclose(np.array(small) / np.array(large), 0.1, rtol=0.3)


def test_dense_matches_err_together_by_a_hundredth_of_a_pixel() -> None:
    """Neighbours that fit to 0.002 px tell a pose no better than those that fit to 0.01 px."""
    sigmas = []
    for noise_px in (0.002, 0.01):
        rays = replace(TURNING.rays(2000, noise_px=noise_px), spacing_px=64.0)
        sigmas.append(camera_evidence(rays, fitted(rays)).sigma_deg)
    np.testing.assert_allclose(sigmas[0], sigmas[1], rtol=0.3)


def test_a_focal_length_that_the_images_test_and_bear_out_moves_no_metres() -> None:
    tested = evidence(count=6000)
    assert tested.focal_sigma < 0.1
    assert tested.shared < 0.005


def test_a_focal_length_that_the_images_ask_to_change_may_move_all_depths_as_far() -> None:
    """2 % off: below the size that makes it a misfit for sure, and far beyond other errors."""
    wrong = evidence(1.02, 6000)
    assert wrong.shared > 0.005


def test_a_focal_length_that_nothing_tests_may_be_off_by_what_is_told_of_it() -> None:
    """Straight down over a plane the depth goes with the focal length."""
    flat = flat_scene()
    moved = Scene(flat.ground, flat.left, flat.right, rigid((0, 0, 0), (-250, -20, 15)), 128, 128)
    rays = moved.rays(2000, noise_px=NOISE_PX)
    fit = fit_pose(rays, moved.pose, iterations=30)
    shared = [
        camera_evidence(replace(rays, focal_sigma=told), fit).shared for told in (None, 0.02, 0.04)
    ]
    assert shared == pytest.approx([0.007, 0.02, 0.04], rel=0.2)


def test_draws_of_poses_have_the_covariance_of_real_errors() -> None:
    found = evidence()
    poses = draw_poses(TURNING.pose, found, 8)
    turns = [pose.turned_deg(TURNING.pose) for pose in poses]
    cosines = [float(np.clip(pose.t @ TURNING.pose.t, -1, 1)) for pose in poses]
    drawn = [
        math.sqrt(np.mean(np.square(values))) for values in (turns, np.degrees(np.arccos(cosines)))
    ]
    # Eight draws have it exactly; a turn's angle is the length of its small angles to first order.
    # Real errors are 0.8 of what is told.
    np.testing.assert_allclose(drawn, 0.8 * np.array(found.sigma_deg), rtol=1e-3)


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
