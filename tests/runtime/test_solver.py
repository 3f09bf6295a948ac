"""The dense rounds on hills in closed form: each takes values, gives values and keeps none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field, half, resized
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import NotRefinedError
from lunar_runtime.refinement.dense_match import Flow
from lunar_runtime.refinement.solver import DenseSolver
from lunar_runtime.refinement.surface import NetworkGuess, Round

from .scenes import Ground, flat_scene, hilly_scene, rigid, two_cameras

SCENE = hilly_scene()
PLANE = flat_scene()
SURE = [SCENE.pose] * 8  # a pose without errors, one for every draw


def solver(network: NetworkGuess | None = None) -> DenseSolver:
    return DenseSolver(SCENE.views(), network)


def rough_error(surface: Field) -> float:
    """Median relative error of the depth, of the view or on the plate's grid."""
    return float(np.median(np.abs(surface / resized(SCENE.inverse_depth, surface.shape) - 1)))


# What the plane alone leaves: 0.9 %, of hills of 25 m in 1 km.
PLANE_ERROR = rough_error(PLANE.inverse_depth)


def assert_same(one: object, other: object) -> None:
    """Values, and all values in them, are equal to the bit."""
    if isinstance(one, tuple):
        assert isinstance(other, tuple)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    else:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_the_flow_through_a_plane_leads_to_the_hills_pixels() -> None:
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    truth = np.stack(
        [half(t) for t in np.float32(SCENE.pixels_right(SCENE.points_left)).transpose(2, 0, 1)],
        axis=-1,
    )
    error_px = np.hypot(flow.u - truth[..., 0], flow.v - truth[..., 1])[flow.trust > 0.5]
    assert np.median(error_px) < 0.15  # dense inverse search: down to about 0.1 px
    assert np.mean(flow.trust[flow.inside] > 0.5) > 0.9


def test_the_flow_knows_what_the_right_image_shows() -> None:
    flow = solver().match(SCENE.pose, SCENE.inverse_depth)
    pixel = np.stack(
        [half(t) for t in np.float32(SCENE.pixels_right(SCENE.points_left)).transpose(2, 0, 1)],
        axis=-1,
    )
    # Two pixels from the edge bicubic interpolation ends; 1e-3 px: float32 projections.
    inside = ((pixel > 2.001) & (pixel < 125.999)).all(axis=-1)
    outside = ((pixel < 1.999) | (pixel > 126.001)).any(axis=-1)
    assert flow.inside[inside].all()
    assert not flow.inside[outside].any()
    assert not flow.trust[outside].any()


def test_the_dense_matches_give_the_pose() -> None:
    turn = rigid((0.002, -0.003, 0.004), (0, 0, 0))[:3, :3]
    start = RelativePose(turn @ SCENE.pose.R, turn @ SCENE.pose.t)
    flow = solver().match(SCENE.pose, SCENE.inverse_depth)
    fit, rays, _ = solver().fit_pose([start], flow)
    assert start.turned_deg(SCENE.pose) > 0.3
    assert fit.pose.turned_deg(SCENE.pose) < 0.1  # measured 0.03: a hundredth of a pixel's angle
    assert fit.sigma_px < 0.05
    np.testing.assert_array_equal(rays.left, solver().dense_rays(flow).left)  # what it rests on


def test_the_dense_matches_decide_between_two_poses() -> None:
    """Two poses see a plane alike; the hills on it tell them apart."""
    scene = two_cameras(Ground(tilt_deg=30, azimuth_deg=0), (250.0, 0.0, 200.0))
    dense = DenseSolver(scene.views(), None)
    flow = dense.match(scene.pose, scene.inverse_depth)
    turn = rigid((0.0, 0.37, 0.0), (0, 0, 0))[:3, :3]  # 21 deg: where the plane's twin is
    other = RelativePose(turn @ scene.pose.R, turn @ scene.pose.t)
    for starts in ([other, scene.pose], [scene.pose, other]):
        assert dense.fit_pose(starts, flow)[0].pose.turned_deg(scene.pose) < 0.05


def test_a_pose_needs_dense_matches() -> None:
    flow = solver().match(SCENE.pose, SCENE.inverse_depth)
    nothing = flow._replace(trust=np.zeros_like(flow.trust))
    with pytest.raises(NotRefinedError, match="the images do not match densely along the ground"):
        solver().fit_pose([SCENE.pose], nothing)


def test_sparse_matches_give_a_plane_to_start_from() -> None:
    surface = solver().through_matches(SCENE.rays(), SCENE.pose)
    # The robust plane of some hundred points, no relief yet.
    assert rough_error(surface) < 1.2 * PLANE_ERROR
    straight = surface[32, ::4].astype(np.float64)  # affine in the pixel, as a plane's is
    np.testing.assert_allclose(np.diff(straight, 2), 0, atol=1e-6)


def test_rounds_of_flow_come_nearer_to_the_hills() -> None:
    """Flow smooths: of hills that move by a pixel the first round finds half, the next one more."""
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    first = solver().through_flow(SCENE.pose, flow)
    assert rough_error(first.surface) < 0.7 * PLANE_ERROR
    assert first.slack.shape == (64, 64)
    # The prior knows no relief without a network: what flow finds beside it is its error.
    assert 0.3 * PLANE_ERROR < first.prior.sigma < 3 * PLANE_ERROR
    again = solver().match(SCENE.pose, first.surface)
    second = solver().through_flow(SCENE.pose, again, first.slack)
    assert rough_error(second.surface) < rough_error(first.surface)


def test_brightness_finds_more_than_flow_and_says_how_sure_it_is() -> None:
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    last = solver().through_flow(SCENE.pose, flow)
    found = solver().through_brightness(SCENE.pose, last, SURE)
    assert rough_error(found.inverse_depth) < 0.1 * PLANE_ERROR  # measured 0.05
    error = np.abs(found.inverse_depth / SCENE.inverse_depth - 1)
    from_middle = np.abs(SCENE.pixels_right(SCENE.points_left) - 64)
    shown = (from_middle < 62).all(axis=-1)  # bicubic interpolation looks two pixels far
    assert found.overlap == pytest.approx(shown.mean(), abs=0.01)
    assert found.correlation > 0.99
    # Outside the overlap only the prior speaks: larger errors, and larger expected ones.
    assert np.median(error[~shown]) > 3 * np.median(error[shown])
    assert np.median(found.sigma[~shown]) > 2 * np.median(found.sigma[shown])
    assert found.refined[shown].mean() > 0.9
    # A pixel's width of the rim that the hills hide or show.
    assert found.refined[~shown].mean() < 0.05


def test_a_round_takes_values_and_keeps_none() -> None:
    """The same calls, in another order and with others between them, on one solver and on two."""
    one = solver()
    flow = one.match(SCENE.pose, PLANE.inverse_depth)
    first = one.through_flow(SCENE.pose, flow)
    surface = one.through_brightness(SCENE.pose, first, SURE)

    wrong = RelativePose(SCENE.pose.R, -SCENE.pose.t).inverse()
    one.match(wrong, PLANE.inverse_depth * 1.1)
    one.through_flow(SCENE.pose, one.match(SCENE.pose, PLANE.inverse_depth * 1.05), first.slack)
    again = one.through_brightness(SCENE.pose, first, SURE)  # before the round that it follows
    assert_same(one.through_flow(SCENE.pose, flow), first)
    assert_same(one.match(SCENE.pose, PLANE.inverse_depth), flow)
    other = solver()
    assert_same(
        other.through_brightness(SCENE.pose, first, SURE).inverse_depth, surface.inverse_depth
    )
    assert_same(again.draws, surface.draws)
    assert_same(again.sigma, surface.sigma)


def test_a_round_leaves_its_arguments_alone() -> None:
    one = solver()
    flow = one.match(SCENE.pose, PLANE.inverse_depth)
    last = one.through_flow(SCENE.pose, flow)
    kept = Flow(*(values.copy() for values in flow))
    slack, surface = last.slack.copy(), last.surface.copy()
    one.through_flow(SCENE.pose, flow, last.slack)
    one.through_brightness(SCENE.pose, last, SURE)
    assert_same(flow, kept)
    assert_same((last.slack, last.surface), (slack, surface))


def test_without_slack_the_plate_is_even() -> None:
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    even = np.ones((64, 64), np.float32)
    assert_same(
        solver().through_flow(SCENE.pose, flow), solver().through_flow(SCENE.pose, flow, even)
    )


def test_matches_behind_the_cameras_are_refused() -> None:
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    behind = RelativePose(SCENE.pose.R, -SCENE.pose.t)
    with pytest.raises(NotRefinedError, match="in front of the cameras"):
        solver().through_flow(behind, flow)


def test_a_coarser_solver_works_on_half_the_pixels() -> None:
    coarse = solver(NetworkGuess(SCENE.inverse_depth)).coarser()
    start = coarse.on_grid(PLANE.inverse_depth)
    assert start.shape == (32, 32)
    flow = coarse.match(SCENE.pose, start)
    assert flow.u.shape == (32, 32)
    last = solver().carried(coarse.through_flow(SCENE.pose, flow))
    assert isinstance(last, Round)
    assert last.surface.shape == last.prior.inverse_depth.shape == (64, 64)
    np.testing.assert_array_equal(last.slack, np.ones((64, 64)))  # even again
    # Hills that move by half a pixel are not seen yet; the plane is not lost either.
    assert rough_error(last.surface) < 1.05 * PLANE_ERROR


def test_the_networks_relief_carries_the_prior() -> None:
    """Where a network knows the hills, the prior has them; where it has them upside down, not."""
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    relief = SCENE.inverse_depth / PLANE.inverse_depth
    knows, opposite = (
        NetworkGuess((PLANE.inverse_depth * relief**sign).astype(np.float32)) for sign in (1, -1)
    )
    helped = solver(knows).through_flow(SCENE.pose, flow).prior
    warned = solver(opposite).through_flow(SCENE.pose, flow).prior
    alone = solver().through_flow(SCENE.pose, flow).prior
    assert alone.relief_gain is None
    assert helped.relief_gain is not None
    # Hills of 56 px lie between coarse (8 px) and fine, and flow is a smooth of them.
    assert 0.8 < helped.relief_gain[0] < 1.6
    assert helped.sigma < 0.35 * alone.sigma
    assert warned.relief_gain is not None
    assert min(warned.relief_gain) == 0
    assert warned.sigma < 1.2 * alone.sigma


def test_a_brighter_right_image_gives_the_same_surface() -> None:
    """Local mean and contrast are removed: another exposure is no other ground."""
    pair = SCENE.views()
    dimmed = (0.6 * pair.right.grey.astype(np.float32) + 20).astype(np.float32)
    dim = DenseSolver(Pair(pair.left, replace(pair.right, grey=dimmed)), None)
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    last = solver().through_flow(SCENE.pose, flow)
    found = dim.through_brightness(SCENE.pose, last, SURE)
    same = solver().through_brightness(SCENE.pose, last, SURE)
    # Contrast below 2 DN counts as noise, so that a dim image's is a little smaller.
    difference = np.abs(found.inverse_depth / same.inverse_depth - 1)
    assert np.median(difference) < 0.05 * PLANE_ERROR
    assert rough_error(found.inverse_depth) < 0.1 * PLANE_ERROR


def test_errors_of_the_pose_are_in_the_surfaces_and_end_at_the_depth() -> None:
    """A pose that is turned by 0.1 degree; and one under which the matches meet behind."""
    flow = solver().match(SCENE.pose, PLANE.inverse_depth)
    last = solver().through_flow(SCENE.pose, flow)
    turn = rigid((0.0, 0.002, 0.0), (0, 0, 0))[:3, :3]
    turned = RelativePose(turn @ SCENE.pose.R, SCENE.pose.t)
    sure, moved = (
        solver().through_brightness(SCENE.pose, last, poses) for poses in (SURE, [turned] * 8)
    )
    np.testing.assert_array_equal(sure.inverse_depth, moved.inverse_depth)
    # 0.002 rad along the baseline are 0.002 of an inverse depth of 0.25 or so: 0.8 %.
    middle = (slice(None), slice(24, 40), slice(24, 40))
    difference = (moved.draws - sure.draws)[middle]
    np.testing.assert_allclose(np.abs(difference), 0.008, rtol=0.3)
    behind = RelativePose(SCENE.pose.R, -SCENE.pose.t)
    lost = solver().through_brightness(SCENE.pose, last, [behind] * 8)
    np.testing.assert_allclose((lost.draws - sure.draws)[middle], 1, atol=1e-5)
