"""Sparse matches of images whose pixels' partners are known."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.refinement.matching import Matches, match_descriptors, match_features

from .scenes import hilly_scene

SCENE = hilly_scene(160)


def test_convention_matches_are_pixels_whose_centres_are_at_one_half() -> None:
    """An image against itself turned by half a turn: (x, y) becomes (W - x, H - y)."""
    image = SCENE.grey_left
    found = match_features(image, np.ascontiguousarray(image[::-1, ::-1]))
    assert len(found.left) > 100
    # A convention that is half a pixel off would show as a whole one.
    assert np.median(np.abs(found.right - (160 - found.left))) < 0.1


@pytest.mark.parametrize("halved", [False, True])
def test_features_are_where_they_are_seen_at_either_resolution(halved: bool) -> None:
    left = SCENE.grey_left
    found = match_features(left, np.rot90(left), halved=halved)
    assert len(found.left) > 24
    x, y = found.left.T
    turned = np.stack([y, left.shape[1] - x], axis=-1)  # by 90 deg, counterclockwise
    # Measured 0.01 px at full and 0.05 px at half resolution.
    assert np.median(np.abs(found.right - turned)) < 0.1


def test_features_match_along_the_epipolar_lines_of_the_ground() -> None:
    found = match_features(SCENE.grey_left, SCENE.grey_right)
    row, column = (found.left[:, ::-1]).astype(int).T
    expected = SCENE.pixels_right(SCENE.points_left[row, column])
    expected += found.left - (found.left.astype(int) + 0.5)  # nearly parallel views
    # Features are localised to 0.1-0.2 px; the views' roll of 6 deg moves half a pixel by 0.05.
    assert np.median(np.abs(found.right - expected)) < 0.2


def test_an_image_without_features_matches_nothing() -> None:
    grey = np.full((160, 160), 128, np.uint8)
    assert len(match_features(grey, SCENE.grey_right).left) == 0


def test_the_same_images_match_the_same_way() -> None:
    one, other = (match_features(SCENE.grey_left, SCENE.grey_right) for _ in range(2))
    np.testing.assert_array_equal(one.left, other.left)
    np.testing.assert_array_equal(one.right, other.right)


def test_descriptors_match_in_the_pixels_of_the_images() -> None:
    descriptors = np.random.default_rng(0).standard_normal((32, 48, 16)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=-1, keepdims=True)
    found = match_descriptors(descriptors, descriptors, ((64, 96), (64, 96)))
    # Every eighth network pixel, whose centres lie at 4.5, 12.5, ... of 48: doubled, 9, 25, ...
    np.testing.assert_array_equal(found.left, found.right)
    assert found.left[:2].tolist() == [[9, 9], [25, 9]]
    assert len(found.left) == 4 * 6


def test_descriptors_that_are_not_finite_match_nothing_else() -> None:
    left = np.random.default_rng(0).standard_normal((32, 32, 16)).astype(np.float32)
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    right = left.copy()
    right[4, 4] = np.nan  # the first that is compared
    found = match_descriptors(left, right, ((32, 32), (32, 32)))
    assert [4.5, 4.5] not in found.right.tolist()
    np.testing.assert_array_equal(found.left, found.right)


def test_two_sets_of_matches_are_one_after_the_other() -> None:
    one = Matches(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    both = one + Matches(np.array([[5.0, 6.0]]), np.array([[7.0, 8.0]]))
    assert both.left.tolist() == [[1, 2], [5, 6]]
    assert both.right.tolist() == [[3, 4], [7, 8]]
