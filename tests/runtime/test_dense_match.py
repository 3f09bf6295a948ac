"""What is left between two images through a surface, where that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from lunar_runtime.geometry.epipolar import EpipolarField
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.dense_match import interpolated, linearise, measure_flow
from numpy.typing import NDArray

from .scenes import flat_scene, hilly_scene

SCENE = hilly_scene()
PAIR = SCENE.views().floating()
FIELD = EpipolarField.of(PAIR, SCENE.pose)


def on_half_grid(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(H, W, …) to (H/2, W/2, …): means."""
    height, width = values.shape[:2]
    by_twos = values.reshape(height // 2, 2, width // 2, 2, *values.shape[2:])
    return np.asarray(by_twos.mean(axis=(1, 3)))


def test_through_the_true_surface_the_images_are_alike() -> None:
    flow = measure_flow(PAIR, SCENE.pose, SCENE.inverse_depth)
    assert np.median(flow.correlation[flow.inside]) > 0.99
    truth = on_half_grid(SCENE.pixels_right(SCENE.points_left))
    error = np.hypot(flow.u - truth[..., 0], flow.v - truth[..., 1])
    assert np.median(error[flow.trust > 0.5]) < 0.05


def test_convention_the_pull_is_towards_the_true_surface() -> None:
    """A surface that is a thousandth too far is pulled nearer by a thousandth, and back."""
    for change in (-1e-3, 1e-3):
        off = (SCENE.inverse_depth * (1 + change)).astype(np.float32)
        bright = linearise(PAIR, FIELD, off)
        found = float(bright.pull.sum() / bright.information.sum())
        # The gradient is a difference over a pixel and residuals are weighed: a quarter of it.
        np.testing.assert_allclose(found, -change, rtol=0.4)


def test_where_the_images_do_not_overlap_brightness_says_nothing() -> None:
    bright = linearise(PAIR, FIELD, SCENE.inverse_depth)
    assert not bright.information[~bright.inside].any()
    assert not bright.pull[~bright.inside].any()
    away = linearise(PAIR, FIELD, np.full_like(SCENE.inverse_depth, 50.0))  # a hand's breadth off
    assert not away.inside.any()
    assert not away.information.any()


def test_shadow_says_nothing() -> None:
    """Dark noise in both images: the flow in it is a guess, and no brightness is compared."""
    rng = np.random.default_rng(0)
    dark = [rng.normal(3, 1, (128, 128)).astype(np.float32) for _ in "LR"]
    here, there = (
        np.linalg.norm(points[..., :2], axis=-1)
        for points in (SCENE.points_left, SCENE.points_right)
    )
    left = np.where(here < 350, dark[0], PAIR.left.grey)
    right = np.where(there < 350, dark[1], PAIR.right.grey)
    pair = Pair(replace(PAIR.left, grey=left), replace(PAIR.right, grey=right))
    # 50 px of shadow; its rim is alike in both images as far as the local mean reaches.
    core = here < 100
    small = on_half_grid(here)
    flow = measure_flow(pair, SCENE.pose, flat_scene().inverse_depth)
    lit = flow.inside & (small > 450)
    bright_lit = here > 450
    bright = linearise(pair, FIELD, SCENE.inverse_depth)
    assert np.mean(flow.trust[small < 100]) < 0.1 * np.mean(flow.trust[lit])
    assert np.mean(bright.information[core]) < 0.02 * np.mean(
        bright.information[bright.inside & bright_lit]
    )


def test_the_same_pair_gives_the_same_flow() -> None:
    one, other = (measure_flow(PAIR, SCENE.pose, SCENE.inverse_depth) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_shift_below_what_remap_rounds_to_is_kept() -> None:
    rows, columns = np.mgrid[0:40, 0:50].astype(np.float32)
    for shift in (0.003, 0.012, 0.4):
        x, y = columns + np.float32(shift), rows - np.float32(shift)
        found = interpolated(2 * columns + 3 * rows, x, y)
        np.testing.assert_allclose(found[2:-2, 2:-2], (2 * x + 3 * y)[2:-2, 2:-2], atol=1e-4)
    assert np.isnan(interpolated(columns, columns + 60, rows)).all()


def test_what_remains_of_a_true_pose_is_not_less_than_the_flow_is_good_for() -> None:
    """Matches that were rounded fitted any pose exactly: 0.0006 px, ten times too well."""
    flow = measure_flow(PAIR, SCENE.pose, SCENE.inverse_depth)
    truth = on_half_grid(SCENE.pixels_right(SCENE.points_left))
    off = np.abs(np.stack([flow.u - truth[..., 0], flow.v - truth[..., 1]]))[:, flow.trust > 0.5]
    assert np.quantile(off, 0.1) > 1e-4
