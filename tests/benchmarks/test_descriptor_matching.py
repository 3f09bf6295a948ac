from __future__ import annotations

import numpy as np
import pytest
from lunar_bench.accuracy.descriptor_matching import (
    match_scores,
    pose_from_matches,
    reciprocal_matches,
)
from lunar_bench.accuracy.pose_errors import pose_scores
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.refinement.matching import Matches


def true_pixels(pair: KnownPair) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) left and right pixels of every point that both see."""
    points = true_pointmap(pair.depth, pair.camera_left)
    moved = points @ pair.right_from_left[:3, :3].T + pair.right_from_left[:3, 3]
    seen = moved @ pair.camera_right.matrix().T
    right = (seen[..., :2] / seen[..., 2:]).reshape(-1, 2)
    row, column = np.mgrid[:96, :96]
    left = np.stack([column, row], axis=-1).reshape(-1, 2) + 0.5
    visible = ((right > 0) & (right < 96)).all(axis=1)
    return left[visible], right[visible]


def unit(values: np.ndarray) -> np.ndarray:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def test_descriptors_of_a_shifted_image_match_at_the_shift() -> None:
    image = unit(np.random.default_rng(0).standard_normal((64, 64, 24)))
    left, right = image[:, :48], image[:, 10:58]
    matches = reciprocal_matches(left, right)
    # Starts are 8 px apart: 8 x 6, less the column that the right image lacks.
    assert len(matches.left) >= 30
    found = matches.left - matches.right
    both = matches.left[:, 0] > 10
    np.testing.assert_array_equal(found[both], np.tile([10.0, 0.0], (int(both.sum()), 1)))


def test_matches_near_the_border_are_dropped() -> None:
    image = unit(np.random.default_rng(0).standard_normal((32, 32, 24)))
    matches = reciprocal_matches(image, image)
    assert matches.left.min() >= 3.5
    assert matches.left.max() <= 28.5


def test_the_surest_matches_are_kept() -> None:
    rng = np.random.default_rng(0)
    image = unit(rng.standard_normal((128, 128, 8)))
    confidence = rng.random((2, 128, 128)).astype(np.float32)
    kept = reciprocal_matches(image, image, confidence, most=200)
    every = reciprocal_matches(image, image)
    assert (len(kept.left), len(every.left)) == (200, 256)
    column, row = (kept.left - 0.5).astype(int).T
    lesser = confidence.min(axis=0)
    column_all, row_all = (every.left - 0.5).astype(int).T
    assert lesser[row, column].min() >= np.sort(lesser[row_all, column_all])[-200]


def test_true_matches_have_no_error(tilted_pair: KnownPair) -> None:
    matches = Matches(*true_pixels(tilted_pair))
    scores = match_scores(matches, tilted_pair)
    assert scores["matches"] == len(matches.left)
    assert scores["match_error_px"] == pytest.approx(0, abs=1e-4)  # the depth is float32
    assert scores["matches_within_1px"] == 1


def test_shifted_matches_are_off_by_their_shift(tilted_pair: KnownPair) -> None:
    left, right = true_pixels(tilted_pair)
    scores = match_scores(Matches(left, right + np.array([2.0, 0.0])), tilted_pair)
    assert scores["match_error_px"] == pytest.approx(2, abs=1e-4)
    assert (scores["matches_within_1px"], scores["matches_within_3px"]) == (0, 1)


def test_no_matches_have_no_error_and_no_pose(tilted_pair: KnownPair) -> None:
    none = Matches(np.zeros((0, 2)), np.zeros((0, 2)))
    assert match_scores(none, tilted_pair) == {"matches": 0}
    assert pose_from_matches(none, tilted_pair) is None


def test_true_matches_give_the_true_pose(tilted_pair: KnownPair) -> None:
    rng = np.random.default_rng(0)
    # A plane alone leaves two poses: points of random depth, seen by both.
    X = np.stack([*rng.uniform(-200, 300, (2, 400)), rng.uniform(800, 1600, 400)], axis=-1)
    K = tilted_pair.camera_left.matrix()
    moved = X @ tilted_pair.right_from_left[:3, :3].T + tilted_pair.right_from_left[:3, 3]
    left, right = (p @ K.T for p in (X, moved))
    pose = pose_from_matches(
        Matches(left[:, :2] / left[:, 2:], right[:, :2] / right[:, 2:]), tilted_pair
    )
    assert pose is not None
    assert pose_scores(pose, tilted_pair.right_from_left)["pose_error_deg"] < 1e-4  # no noise
