from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.accuracy.rectified import RectifiedPair
from lunar_bench.accuracy.window_matching import (
    Matcher,
    inverse_search,
    semi_global_points,
    sgbm,
    smoothed,
)
from lunar_calib.truth.accuracy import measure_accuracy
from lunar_calib.truth.known_pairs import rendered_pairs, stereolunar_pairs


def test_classical_stereo_with_the_pose_is_exact_to_a_fraction_of_a_pixel() -> None:
    pair = next(rendered_pairs(1, 256, seed=3))
    points = semi_global_points(pair)
    baseline = np.linalg.norm(pair.right_from_left[:3, 3])
    disparity = pair.camera_left.fx * baseline * (1 / points[..., 2] - 1 / pair.depth)
    assert np.isfinite(disparity).mean() > 0.5
    # SGBM at twice the resolution, in steps of a sixteenth: a tenth of a pixel is usual.
    assert np.nanmedian(np.abs(disparity)) < 0.2


@pytest.mark.parametrize("finer", [1, 2])
@pytest.mark.parametrize("matcher", [sgbm, inverse_search])
def test_matchers_find_the_relief_that_the_truth_has(matcher: Matcher, finer: int) -> None:
    pair = next(rendered_pairs(1, 128, seed=3))
    rectified = RectifiedPair.of(pair, finer)
    points = rectified.points(smoothed(matcher(rectified), 2.0 * finer))
    plane = rectified.points(np.zeros_like(rectified.left, np.float32))
    known = np.isfinite(points[..., 2]) & np.isfinite(pair.depth)
    assert known.mean() > 0.4
    error, relief = (np.abs(z[..., 2] / pair.depth - 1)[known] for z in (points, plane))
    # The ground without relief is what a matcher that finds nothing would give. SGBM's steps of a
    # sixteenth of a pixel are two thirds of this pair's relief, DIS's errors a fifth.
    assert np.nanmedian(error) < 0.75 * np.nanmedian(relief)


def test_smoothing_spreads_nothing_into_gaps() -> None:
    disparity = np.full((20, 20), 3.0, np.float32)
    disparity[5, 5] = np.nan
    found = smoothed(disparity, 2.0)
    assert np.isnan(found[5, 5])
    np.testing.assert_allclose(found[~np.isnan(disparity)], 3.0, rtol=1e-5)


def test_nothing_is_matched_outside_the_other_image() -> None:
    pair = next(rendered_pairs(1, 256, seed=3))
    points = semi_global_points(pair)
    moved = points @ pair.right_from_left[:3, :3].T + pair.right_from_left[:3, 3]
    seen = moved @ pair.camera_right.matrix().T
    pixel = (seen[..., :2] / seen[..., 2:])[np.isfinite(points).all(axis=-1)]
    # Half a block of SGBM lies inside; half a pixel for the smoothing of the disparities.
    assert pixel.min() > 1
    assert pixel.max() < 255


def test_stereolunar_is_matched_to_a_third_of_a_percent(stereolunar: Path) -> None:
    # The smallest and the largest baseline; the depth supports 0.06-0.28 % for classical stereo.
    for pair in itertools.islice(stereolunar_pairs(stereolunar), 7, None, 3):
        found = measure_accuracy(semi_global_points(pair), pair.depth, pair.camera_left)
        assert found.absrel_median < 0.003, pair.name
        assert found.coverage > 0.2, pair.name
