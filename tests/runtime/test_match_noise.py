"""The noise of two images that are compared: its parts, and how many pixels share it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from lunar_runtime.geometry.epipolar import EpipolarField
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.refinement.dense_match import linearise
from lunar_runtime.refinement.match_noise import MatchNoise, measure_match_noise

from .scenes import hilly_scene

SHAPE = (256, 320)
EVERYWHERE = np.ones(SHAPE, bool)
RNG = np.random.default_rng(3)
CONTRAST = RNG.uniform(4, 30, SHAPE).astype(np.float32)
CHANGE = RNG.uniform(0, 1, SHAPE).astype(np.float32)
GREY, SHARE, STEEP = 3.0, 0.004, 0.03


def residual(rng: np.random.Generator) -> Field:
    variance = GREY / CONTRAST**2 + SHARE + STEEP * CHANGE**2
    return (np.sqrt(variance) * rng.standard_normal(SHAPE)).astype(np.float32)


def test_the_three_parts_of_the_noise_are_found() -> None:
    found = measure_match_noise(residual(RNG), CONTRAST, CHANGE, EVERYWHERE)
    # 5120 samples tell each to about 10 %. What is cut off at three sigmas is 3 %.
    assert found.grey == pytest.approx(GREY, rel=0.2)
    assert found.share == pytest.approx(SHARE, rel=0.35)
    assert found.steep == pytest.approx(STEEP, rel=0.2)
    assert found.pixels == 1


def test_no_part_is_negative() -> None:
    """Noise that falls with the contrast faster than one over it has no share."""
    found = measure_match_noise(
        (60 / CONTRAST**2 * RNG.standard_normal(SHAPE)).astype(np.float32),
        CONTRAST, CHANGE, EVERYWHERE,
    )  # fmt: skip
    assert found.grey > 0
    assert min(found.share, found.steep) >= 0


def test_outliers_do_not_make_noise() -> None:
    spoilt = residual(RNG)
    spoilt[::7, ::3] += 5
    found = measure_match_noise(spoilt, CONTRAST, CHANGE, EVERYWHERE)
    assert found.grey == pytest.approx(GREY, rel=0.4)
    weight = found.weight(spoilt, CONTRAST, CHANGE)
    assert np.median(weight[::7, ::3]) < 1e-3 * np.median(weight)


def test_a_weight_is_one_over_the_variance() -> None:
    noise = MatchNoise(GREY, SHARE, STEEP, 2.0)
    weight = noise.weight(np.zeros(SHAPE, np.float32), CONTRAST, CHANGE)
    expected = 1 / (2 * (GREY / CONTRAST**2 + SHARE + STEEP * CHANGE**2))
    np.testing.assert_allclose(weight, expected, rtol=1e-5)


@pytest.mark.parametrize("times", [2, 3])
def test_pixels_that_share_noise_are_counted(times: int) -> None:
    """Noise of an image that was enlarged: each of its pixels became `times`² ones."""
    size = 640, 512
    small = RNG.standard_normal((512 // times, 640 // times)).astype(np.float32)
    large = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.float32)
    even = np.ones(large.shape, np.float32)
    found = measure_match_noise(large, even, 0 * even, large < np.inf)
    # Over the 1.45 that images as taken have. The neighbours alone tell it to a half.
    assert found.pixels == pytest.approx(times**2 / 1.45, rel=0.5)


def test_an_enlarged_pair_knows_no_more() -> None:
    scene = hilly_scene()
    noisy = [
        np.clip(view.grey + RNG.normal(0, 2, view.grey.shape), 0, 255).astype(np.float32)
        for view in (scene.views().left, scene.views().right)
    ]
    known = []
    for zoom in (1, 2):
        views = []
        for grey, view in zip(noisy, (scene.views().left, scene.views().right), strict=True):
            size = grey.shape[1] * zoom, grey.shape[0] * zoom
            large = cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC)
            camera = CameraEstimate(view.intrinsics.scaled(zoom, zoom), "truth")
            views.append(replace(View(np.asarray(large, np.float32), camera)))
        pair = Pair(*views)
        surface = cv2.resize(scene.inverse_depth, pair.left.shape[::-1]).astype(np.float32)
        bright = linearise(pair, EpipolarField.of(pair, scene.pose), surface)
        known.append(float(bright.information.sum()))
    # Counted by pixels it would be about four times as much.
    assert 0.5 < known[1] / known[0] < 2
