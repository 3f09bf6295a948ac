"""The other pose that a plane allows, and that it does not pass for the right one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from lunar_bench.accuracy.pose_errors import pose_scores
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime import Rig, StereoRuntime
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.refinement.plane_twin import fitted_twins, plane_twins
from lunar_runtime.refinement.relative_pose import best_poses, fit_pose

from .scenes import Ground, Scene, flat_scene, two_cameras

NEARER = (100.0, 20.0, 350.0)  # metres: the right camera of a descent, 1 km above ground


def descent(relief_m: float, size: int = 128) -> Scene:
    return two_cameras(Ground(relief_m=relief_m), NEARER, size=size)


FLAT = descent(0.0)


def apart_deg(one: RelativePose, other: RelativePose) -> float:
    return pose_scores(one.matrix(), other.matrix())["pose_error_deg"]


def test_two_poses_see_the_same_plane() -> None:
    (twin,) = plane_twins(FLAT.rays(), FLAT.pose)
    assert apart_deg(twin, FLAT.pose) > 10
    assert FLAT.rays().distance_px(twin).max() < 1e-6
    assert FLAT.rays().distance_px(FLAT.pose).max() < 1e-6


def test_the_twin_of_a_twin_is_the_pose() -> None:
    (twin,) = plane_twins(FLAT.rays(), FLAT.pose)
    (again,) = plane_twins(FLAT.rays(), twin)
    assert apart_deg(again, FLAT.pose) < 1e-3


def test_a_camera_that_comes_straight_down_has_none() -> None:
    ground = Ground(relief_m=0.0, tilt_deg=0.0)
    down = two_cameras(ground, (0.0, 0.0, 200.0), roll=0.0)
    assert plane_twins(down.rays(), down.pose) == []


def test_a_twin_behind_the_cameras_is_none() -> None:
    """Of a camera that moves aside, the other plane leans through the view."""
    beside = flat_scene()
    fit = fit_pose(beside.rays(), beside.pose)
    assert plane_twins(beside.rays(), beside.pose)
    assert fitted_twins(beside.rays(), fit) == []


def test_matches_that_are_no_more_than_a_handful_have_none() -> None:
    assert plane_twins(FLAT.rays(count=11), FLAT.pose) == []


@pytest.mark.parametrize("relief_m", [10.0, 25.0])
def test_relief_tells_the_pose_from_its_twin(relief_m: float) -> None:
    scene = descent(relief_m)
    rays = scene.rays(noise_px=0.05)
    (twin,) = plane_twins(rays, scene.pose)
    astray = fit_pose(rays, twin, width_px=0.2)
    assert apart_deg(astray.pose, scene.pose) > 20  # no small step leads back
    (found,) = fitted_twins(rays, astray)
    assert found.sigma_px < 0.8 * astray.sigma_px
    assert apart_deg(found.pose, scene.pose) < 1
    both = best_poses(rays, [astray.pose, *plane_twins(rays, astray.pose)])
    assert apart_deg(both[0].pose, scene.pose) < 1


@pytest.mark.parametrize("seed", [340012, 340036])
def test_a_pose_that_nobody_told_is_within_its_errors(seed: int) -> None:
    """Without the twins these ended 17 and 29 degrees beside it, 37 and 29 of their sigmas."""
    pair = next(itertools.islice(rendered_pairs(3, 256, seed), 2, None))
    with StereoRuntime.load(threads=1) as runtime:
        result = runtime.infer(
            pair.left, pair.right, Rig(pair.camera_left, pair.camera_right), baseline_m=100.0
        )
    assert result.refinement is not None
    assert result.pose is not None
    off = pose_scores(result.pose.right_from_left, pair.right_from_left)
    turn, aside = result.refinement.pose_sigma_deg
    assert off["pose_rotation_deg"] < 3 * turn
    assert off["pose_translation_deg"] < 3 * aside


def test_ground_without_relief_leaves_the_pose_open() -> None:
    """Exactly flat: the images cannot say which of both it is."""
    with StereoRuntime.load(threads=1) as runtime:
        scene = descent(0.0, 256)
        result = runtime.infer(
            scene.grey_left,
            scene.grey_right,
            Rig(scene.left, scene.right),
            baseline_m=scene.baseline_m,
        )
    assert result.refinement is not None
    assert result.refinement.rival_pose == pytest.approx(1, abs=0.2)
    assert result.verdict == "guessed"
    assert any("another camera pose" in reason for reason in result.verdict_reasons)
    sigma = result.views["left"].depth_sigma
    assert sigma is not None
    off = np.abs(result.depth - scene.depth_left)
    assert np.nanmean(off < 2 * sigma) > 0.9  # whichever of both was taken


def test_a_rig_says_which() -> None:
    with StereoRuntime.load(threads=1) as runtime:
        scene = descent(0.0, 256)
        rig = Rig(scene.left, scene.right, scene.right_from_left, scene.ground.normal)
        result = runtime.infer(scene.grey_left, scene.grey_right, rig)
    assert result.refinement is not None
    assert result.refinement.rival_pose is None
    assert not any("another camera pose" in reason for reason in result.verdict_reasons)
    off = np.nanmedian(np.abs(result.depth / scene.depth_left - 1))
    assert off < 0.005
