from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from lunar_bench.accuracy.semi_global import semi_global_points
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
