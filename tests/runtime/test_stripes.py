"""Stripes that fall on themselves through the surface are seen in each image alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.stripes import doubt_stripes, find_stripes
from numpy.typing import NDArray

GROUND = next(rendered_pairs(1, 256, seed=3))


def striped(image: NDArray[np.uint8], amplitude: float, period_px: float) -> NDArray[np.uint8]:
    """Along rows."""
    gain = 1 + amplitude * np.sin(2 * np.pi * np.arange(len(image)) / period_px + 0.7)
    return np.asarray(np.clip(np.rint(image * gain[:, None]), 0, 255), np.uint8)


def pair(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> ImagePair:
    return ImagePair(grey_from_array(left), grey_from_array(right))


def test_ground_has_none() -> None:
    assert doubt_stripes(pair(GROUND.left, GROUND.right)) == ()


@pytest.mark.parametrize("period_px", [2.0, 4.3, 8.0, 11.7])
def test_stripes_of_5_percent_are_named_with_their_period(period_px: float) -> None:
    (doubt,) = doubt_stripes(pair(striped(GROUND.left, 0.05, period_px), GROUND.right))
    assert doubt.startswith("the left image has stripes along its rows")
    found = find_stripes(grey_from_array(striped(GROUND.left, 0.05, period_px)))
    assert found is not None
    assert found.period_px == pytest.approx(period_px, rel=0.03)
    if period_px > 2:  # at two pixels the phase decides
        assert found.amplitude == pytest.approx(0.05, rel=0.2)


def test_stripes_along_columns_are_seen_too() -> None:
    turned = np.ascontiguousarray(striped(np.ascontiguousarray(GROUND.right.T), 0.05, 6.0).T)
    (doubt,) = doubt_stripes(pair(GROUND.left, turned))
    assert doubt.startswith("the right image has stripes along its columns")


def test_what_is_hidden_makes_no_stripes_and_hides_none() -> None:
    """A caption's rows, dark and bright by turns, below a mask."""
    image = GROUND.left.copy()
    image[100:140:4] = 0
    valid = np.ones(image.shape, bool)
    valid[100:140] = False
    hidden = replace(grey_from_array(image), valid=valid)
    assert doubt_stripes(ImagePair(hidden, grey_from_array(GROUND.right))) == ()
    below = striped(image, 0.05, 6.0)
    striped_too = replace(grey_from_array(below), valid=valid)
    assert len(doubt_stripes(ImagePair(striped_too, grey_from_array(GROUND.right)))) == 1


@pytest.mark.parametrize("side", [64, 255])
def test_of_a_small_image_nothing_is_said(side: int) -> None:
    small = striped(GROUND.left[:side, :side], 0.2, 6.0)
    assert find_stripes(grey_from_array(small)) is None


def test_an_image_of_which_nothing_is_seen_has_none() -> None:
    nothing = replace(grey_from_array(GROUND.left), valid=np.zeros(GROUND.left.shape, bool))
    assert find_stripes(nothing) is None
