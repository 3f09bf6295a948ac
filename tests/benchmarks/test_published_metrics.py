from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_bench.accuracy.published_metrics import (
    depth_scores,
    hazard_scores,
    nearest_distances,
    published_scores,
)
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair

R = cv2.Rodrigues(np.array([0.4, -1.0, 2.0]))[0]


def grid(size: int = 40) -> np.ndarray:
    row, column = np.mgrid[:size, :size].astype(np.float64)
    return np.stack([column, row, np.zeros_like(row)], axis=-1).reshape(-1, 3)


def test_silog_of_a_scaled_depth_is_zero() -> None:
    depth = np.random.default_rng(0).uniform(1e4, 3e4, 500)
    assert depth_scores(2 * depth, depth)["silog"] == pytest.approx(0, abs=1e-12)


def test_silog_is_the_spread_of_the_logarithm() -> None:
    true = np.full(1000, 2.0)
    depth = true * np.exp(np.where(np.arange(1000) % 2, 0.1, -0.1))
    assert depth_scores(depth, true)["silog"] == pytest.approx(0.1)


def test_deltas_count_ratios_either_way() -> None:
    scores = depth_scores(np.array([1.2, 1 / 1.2, 1.5, 1 / 1.5, 1.9, 2.5]), np.ones(6))
    # 1.25 = 1.25, 1.25² = 1.5625, 1.25³ = 1.953
    assert [scores[f"delta{k}"] for k in (1, 2, 3)] == pytest.approx([2 / 6, 4 / 6, 5 / 6])


def test_agreement_false_alarm_and_miss_of_constructed_slopes() -> None:
    true = np.array([0.0, 4, 6, 8, 11, 12, 13, 14, 21, 30])
    found = np.array([12.0, 4, 6, 8, 3, 12, 13, 14, 19, 30])
    scores = hazard_scores(found, true)
    # At 10°: six are unsafe, of which one (11 -> 3) is missed; four safe, one called unsafe.
    assert scores["hda_miss_10deg"] == pytest.approx(1 / 6)
    assert scores["hda_false_alarm_10deg"] == pytest.approx(1 / 4)
    assert scores["hda_agreement_10deg"] == pytest.approx(8 / 10)
    assert scores["hda_miss_20deg"] == pytest.approx(1 / 2)


def test_a_rate_over_nothing_is_absent() -> None:
    assert "hda_miss_5deg" not in hazard_scores(np.zeros(20), np.zeros(20))
    assert "hda_false_alarm_5deg" not in hazard_scores(np.zeros(20), np.full(20, 30.0))


def test_the_nearest_distance_is_exact() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0, 3e4, (300, 3)) + 1.7e6, rng.uniform(0, 3e4, (400, 3)) + 1.7e6
    brute = np.linalg.norm(a[:, None] - b[None], axis=-1).min(axis=1)
    np.testing.assert_allclose(nearest_distances(a, b), brute, atol=0.02)  # float32 at 15 km


def test_two_parallel_planes_are_their_distance_apart() -> None:
    below = grid() + np.array([0, 0, 0.3])
    assert nearest_distances(grid(), below) == pytest.approx(np.full(1600, 0.3), rel=1e-5)


def test_completeness_sees_a_missing_half_and_accuracy_does_not() -> None:
    half = grid()[grid()[:, 0] < 20]
    assert nearest_distances(half, grid()).max() == 0
    # Columns 20 … 39 are 1 … 20 away from column 19.
    assert nearest_distances(grid(), half).mean() == pytest.approx(np.arange(1, 21).sum() / 40)


def test_a_similar_pointmap_scores_nothing_but_the_draw(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    scores = published_scores([(0.01 * true @ R.T + [5, 6, 7], true)], cloud_points=10**6)
    for name in ("rmse_m", "depth_mae_m", "accuracy_m", "completeness_m", "chamfer_m"):
        assert scores[name] == pytest.approx(0, abs=2e-3)  # metres at 1 km, points are float32
    assert scores["silog"] == pytest.approx(0, abs=1e-6)
    assert scores["slope_mae_deg"] == pytest.approx(0, abs=1e-3)
    assert scores["hda_agreement_10deg"] == scores["delta1"] == 1


def test_rmse_is_over_coordinates_and_absrel_over_the_median_depth(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    # A chequered error along z: no similarity takes it up.
    chequer = np.where(np.indices(true.shape[:2]).sum(axis=0) % 2, 3.0, -3.0)
    found = true + chequer[..., None] * [0, 0, 1]
    scores = published_scores([(found, true)])
    # The alignment turns 3 m of noise on a 1 km plane into less than 1 % of it.
    assert scores["rmse_m"] == pytest.approx(3 / np.sqrt(3), rel=0.01)
    assert scores["depth_rmse_m"] == pytest.approx(3, rel=0.01)
    assert scores["depth_mae_m"] == pytest.approx(3, rel=0.01)
    median = np.median(tilted_pair.depth)
    assert scores["depth_rmse_absrel"] == pytest.approx(scores["depth_rmse_m"] / median)


def test_the_world_frame_decides_what_depth_is(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    chequer = np.where(np.indices(true.shape[:2]).sum(axis=0) % 2, 3.0, -3.0)
    found = true + chequer[..., None] * [0, 0, 1]
    sideways = published_scores([(found, true)], np.array([1.0, 0, 0, 1.7e6]))
    # The error is along the camera's z, hence nothing along x but what the alignment mixes in.
    assert sideways["depth_rmse_m"] < 0.05
    assert sideways["silog"] == pytest.approx(published_scores([(found, true)])["silog"])


def test_both_views_share_one_alignment(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    apart = published_scores([(true, true), (true + np.array([0, 0, 40.0]), true)])
    # Between the two, each view is half the step off in the mean.
    assert apart["depth_mae_m"] == pytest.approx(20, rel=0.02)
