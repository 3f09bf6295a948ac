"""Network and images together, on hills in closed form."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from lunar_runtime.geometry.pose import transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import Pair
from lunar_runtime.inference.fuse import Fused, fuse
from lunar_runtime.inference.maps import Maps, PointMap, read_maps
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.refinement.acceptance import NotRefinedError, OtherGroundError
from lunar_runtime.refinement.dense_match import Flow
from lunar_runtime.refinement.solver import DenseSolver
from lunar_runtime.refinement.surface import Round
from numpy.typing import NDArray

from .scenes import Ground, flat_scene, hilly_scene, two_cameras

SCENE = hilly_scene()
COARSE = hilly_scene(64)  # the network's grid: the same cameras on half the pixels
GRID = SCENE.grid()
UNIT_M = 500.0
ON = InferOptions(intrinsics=SCENE.left, refine="on")
AUTO = replace(ON, refine="auto")


@lru_cache
def network(plane: bool = True) -> Maps:
    """What a network says that knows the plane and not the hills, in a unit of its own."""
    scene = flat_scene(64) if plane else COARSE
    return read_maps(scene.outputs(UNIT_M), SCENE.grid(64), ON, Rig())[0]


@lru_cache
def images_alone() -> tuple[Fused, Notes]:
    return fuse(SCENE.views(), GRID, None, replace(ON, view="both"), Rig())


@lru_cache
def together() -> tuple[Fused, Notes]:
    return fuse(SCENE.views(), GRID, network(), replace(ON, view="both"), Rig())


def other_ground() -> Pair:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128), np.uint8)
    return Pair(SCENE.views().left, replace(SCENE.views().right, grey=noise))


def other_sun() -> Pair:
    """A negative: what was bright is dark, and what is rough stays rough."""
    right = SCENE.views().right
    return Pair(SCENE.views().left, replace(right, grey=255 - right.grey))


def error(found: NDArray[np.float32], truth: NDArray[np.float64]) -> float:
    """Median relative error of Z beside a common scale, which nothing here fixes."""
    ratio = found / truth
    return float(np.nanmedian(np.abs(ratio / np.nanmedian(ratio) - 1)))


def test_the_images_alone_find_the_hills() -> None:
    fused, notes = images_alone()
    plane = error(flat_scene().depth_left.astype(np.float32), SCENE.depth_left)
    # A pose off by hundredths of a degree tilts the ground: some tenths of a percent.
    assert error(fused.maps.left.points[..., 2], SCENE.depth_left) < 0.4 * plane
    assert notes == Notes()
    assert fused.refinement is not None
    assert fused.refinement.done
    assert fused.refinement.network_differs_deg is None
    assert fused.refinement.relief_gain is None
    assert fused.refinement.pose_source == "matches"


def test_convention_lengths_are_in_baselines_without_a_network() -> None:
    maps = images_alone()[0].maps
    assert maps.pose is not None
    assert np.linalg.norm(maps.pose.right_from_left[:3, 3]) == pytest.approx(1)
    median = np.median(maps.left.points[..., 2]) * SCENE.baseline_m
    assert median == pytest.approx(np.median(SCENE.depth_left), rel=0.01)


def test_convention_lengths_are_in_the_networks_unit_with_one() -> None:
    maps = together()[0].maps
    assert maps.pose is not None
    assert np.median(maps.left.points[..., 2]) * UNIT_M == pytest.approx(1000, rel=0.02)
    baseline = np.linalg.norm(maps.pose.right_from_left[:3, 3]) * UNIT_M
    assert baseline == pytest.approx(SCENE.baseline_m, rel=0.02)


def test_points_lie_on_the_rays_of_their_pixels() -> None:
    left = images_alone()[0].maps.left.points
    rays = left / left[..., 2:]
    np.testing.assert_allclose(rays, SCENE.points_left / SCENE.points_left[..., 2:], atol=1e-6)


def test_convention_both_pointmaps_are_in_the_left_cameras_frame() -> None:
    maps = images_alone()[0].maps
    assert maps.right is not None
    assert maps.pose is not None
    seen = transform_points(maps.pose.right_from_left, maps.right.points)
    expected = SCENE.seen_from_right(SCENE.points_right)
    # Along the right image's rays in the right camera's frame...
    np.testing.assert_allclose(seen / seen[..., 2:], expected / expected[..., 2:], atol=1e-5)
    # ... and at the hills' depth.
    assert error(seen[..., 2], SCENE.depth_right) < 0.005


def test_the_right_view_is_refined_only_if_it_is_asked_for() -> None:
    fused, _ = fuse(SCENE.views(), GRID, None, ON, Rig())
    assert fused.maps.right is None
    assert fused.refinement is not None
    assert set(fused.refinement.views) == {"left"}
    both = images_alone()[0]
    assert both.refinement is not None
    assert set(both.refinement.views) == {"left", "right"}
    np.testing.assert_array_equal(both.maps.left.points, fused.maps.left.points)


def test_the_right_view_of_a_camera_that_came_nearer_is_refined_from_its_own_plane() -> None:
    """The ground is half as far from it as from the left one."""
    scene = two_cameras(Ground(), (150.0, 0.0, 450.0))
    options = replace(ON, view="both", intrinsics=scene.left)
    fused, _ = fuse(scene.views(), scene.grid(), None, options, Rig())
    maps = fused.maps
    assert maps.right is not None
    assert maps.pose is not None
    seen = transform_points(maps.pose.right_from_left, maps.right.points)
    assert error(seen[..., 2], scene.depth_right) < 0.01
    ratio = np.median(seen[..., 2]) / np.median(maps.left.points[..., 2])
    assert ratio == pytest.approx(
        np.median(scene.depth_right) / np.median(scene.depth_left), rel=0.01
    )


def test_a_wrong_network_does_not_harm_and_its_pose_is_compared() -> None:
    fused, notes = together()
    plane = error(flat_scene().depth_left.astype(np.float32), SCENE.depth_left)
    assert error(fused.maps.left.points[..., 2], SCENE.depth_left) < 0.4 * plane
    assert fused.refinement is not None
    assert fused.refinement.network_differs_deg is not None
    assert fused.refinement.network_differs_deg < 0.2  # it had the pose
    assert fused.refinement.relief_gain is not None
    assert notes == Notes()


def test_confidence_follows_the_expected_error() -> None:
    left = images_alone()[0].maps.left
    assert left.expected is not None
    np.testing.assert_allclose(left.confidence, 1 + 0.01 / left.expected.sigma, rtol=1e-6)
    shown = ((np.abs(SCENE.pixels_right(SCENE.points_left) - 64)) < 62).all(axis=-1)
    # The pose's error is that of both, and in so small an image it is most of either.
    assert np.median(left.confidence[shown]) > 1.2 * np.median(left.confidence[~shown])


def test_a_report_of_the_refinement_says_what_was_found() -> None:
    refinement = images_alone()[0].refinement
    assert refinement is not None
    view = refinement.views["left"]
    shown = ((np.abs(SCENE.pixels_right(SCENE.points_left) - 64)) < 62).all(axis=-1)
    assert view.overlap == pytest.approx(shown.mean(), abs=0.02)
    assert view.correlation > 0.99
    assert view.fraction > 0.8
    assert 24 < refinement.inliers <= refinement.matches
    assert refinement.epipolar_px < 0.12
    # The angle between the ways from the ground to the two cameras.
    ways = (
        SCENE.points_left,
        SCENE.seen_from_right(SCENE.points_left) @ SCENE.right_from_left[:3, :3],
    )
    left, right = (way / np.linalg.norm(way, axis=-1, keepdims=True) for way in ways)
    angle = np.degrees(np.arccos(np.sum(left * right, axis=-1)))
    assert refinement.parallax_deg == pytest.approx(np.median(angle), abs=0.2)


def test_low_confidence_becomes_nan_in_both_views() -> None:
    options = replace(ON, view="both", min_confidence="50%")
    fused, _ = fuse(SCENE.views(), GRID, None, options, Rig())
    assert fused.maps.right is not None
    for found in (fused.maps.left, fused.maps.right):
        half = found.confidence.size // 2  # a median of both middle ones rounds to either
        low = found.confidence < np.sort(found.confidence, axis=None)[half]
        assert abs(low.mean() - 0.5) < 0.01
        np.testing.assert_array_equal(np.isnan(found.points).any(axis=-1), low)


def test_what_cannot_be_refined_keeps_the_networks_result_and_says_why() -> None:
    fused, notes = fuse(other_sun(), GRID, network(plane=False), AUTO, Rig())
    assert fused.refinement is not None
    assert not fused.refinement.done
    assert fused.refinement.reason is not None
    assert notes.warnings == (
        f"not refined, the network's result is kept: {fused.refinement.reason}",
    )
    # On the grid of the images: the pair's shape does not change with the weather.
    assert fused.maps.grids == GRID
    kept = fused.maps.left
    assert kept.points.shape == (128, 128, 3)
    assert kept.expected is None
    inner = (slice(2, -2), slice(2, -2))  # enlarged bilinearly; its edge repeats
    np.testing.assert_allclose(
        kept.points[inner] * UNIT_M, SCENE.points_left[inner], atol=0.5
    )  # hills of 56 px between pixels of 14 m: a quarter of their curvature, 0.4 m
    assert fused.maps.camera_left.intrinsics == SCENE.left


def test_holes_of_the_network_stay_holes_when_its_result_is_kept() -> None:
    holed = network(plane=False)
    points = holed.left.points.copy()
    points[10:14, 20:30] = np.nan
    holed = replace(holed, left=PointMap(points, holed.left.confidence))
    fused, _ = fuse(other_sun(), GRID, holed, AUTO, Rig())
    assert np.isnan(fused.maps.left.points[20:28, 40:60]).all()
    assert np.isfinite(fused.maps.left.points[:18]).all()


def test_another_ground_is_refused_and_not_guessed() -> None:
    with pytest.raises(OtherGroundError, match="nothing shows that the images are of the same"):
        fuse(other_ground(), GRID, network(), AUTO, Rig())


def test_refinement_that_was_asked_for_and_fails_is_an_error() -> None:
    with pytest.raises(NotRefinedError, match="points match between the images"):
        fuse(other_ground(), GRID, network(), ON, Rig())
    with pytest.raises(NotRefinedError, match="points match between the images"):
        fuse(other_ground(), GRID, None, AUTO, Rig())  # there is nothing to keep


def test_a_rig_without_a_baseline_is_no_start() -> None:
    """It tells a turn alone; the images are refined as without it."""
    fused, _ = fuse(SCENE.views(), GRID, None, ON, Rig(right_from_left=np.eye(4)))
    np.testing.assert_array_equal(fused.maps.left.points, images_alone()[0].maps.left.points)


def test_a_network_without_a_right_pointmap_still_refines_both_views() -> None:
    left_only = replace(network(), right=None, pose=None)
    fused, _ = fuse(SCENE.views(), GRID, left_only, replace(ON, view="both"), Rig())
    assert fused.maps.right is not None
    assert fused.refinement is not None
    assert fused.refinement.network_differs_deg is None


@pytest.mark.parametrize(
    ("what", "value"),
    [("trust", 2.0), ("trust", np.nan), ("v", 1e5), ("surface", 1e37), ("surface", 1e-20)],
)
def test_a_value_that_no_computation_gives_makes_the_pair_be_computed_again(
    monkeypatch: pytest.MonkeyPatch, what: str, value: float
) -> None:
    right, calls = DenseSolver.match, iter([2, 99])  # in the last round, once

    def spoilt(self: DenseSolver, *given: object, **named: object) -> Flow:
        flow = right(self, *given, **named)  # type: ignore[arg-type]
        state["call"] += 1
        if state["call"] == state["at"]:
            getattr(flow, what)[20, 20] = value
            state["at"] = next(calls)
        return flow

    state = {"call": 0, "at": next(calls)}
    monkeypatch.setattr(DenseSolver, "match", spoilt)
    found, notes = fuse(SCENE.views(), GRID, None, ON, Rig())
    clean, _ = images_alone()
    np.testing.assert_array_equal(found.maps.left.points, clean.maps.left.points)
    assert [text for text in notes.warnings if "the pair was computed again" in text]


def test_a_refinement_that_is_spoilt_again_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    right = DenseSolver.through_flow

    def spoilt(self: DenseSolver, *given: object, **named: object) -> Round:
        found = right(self, *given, **named)  # type: ignore[arg-type]
        found.slack[3, 3] = -1
        return found

    monkeypatch.setattr(DenseSolver, "through_flow", spoilt)
    with pytest.raises(NotRefinedError, match="spoilt twice, by a plate without stiffness; test"):
        fuse(SCENE.views(), GRID, None, ON, Rig())
    kept, notes = fuse(SCENE.views(), GRID, network(), AUTO, Rig())
    assert kept.refinement is not None and not kept.refinement.done
    assert "a plate without stiffness, which no refinement gives" in notes.warnings[0]
