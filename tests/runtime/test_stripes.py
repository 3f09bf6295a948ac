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
    left, right = (striped(image, 0.05, period_px) for image in (GROUND.left, GROUND.right))
    (doubt,) = doubt_stripes(pair(left, right))
    assert doubt.startswith("both images have stripes along rows")
    found = find_stripes(grey_from_array(left))
    assert found is not None
    assert found.period_px == pytest.approx(period_px, rel=0.03)
    if period_px > 2:  # at two pixels the phase decides
        assert found.amplitude == pytest.approx(0.05, rel=0.2)


def test_stripes_of_one_image_alone_have_to_be_clearer() -> None:
    (doubt,) = doubt_stripes(pair(GROUND.left, striped(GROUND.right, 0.2, 6.0)))
    assert doubt.startswith("the right image has stripes along rows")
    faint = striped(GROUND.right, 0.015, 8.0)
    of_left = [striped(GROUND.left, 0.015, period_px) for period_px in (6.0, 8.0)]
    assert doubt_stripes(pair(of_left[0], GROUND.right)) == ()
    assert len(doubt_stripes(pair(of_left[1], faint))) == 1


def test_stripes_along_columns_are_seen_too() -> None:
    left, right = (
        np.ascontiguousarray(striped(np.ascontiguousarray(image.T), 0.05, 6.0).T)
        for image in (GROUND.left, GROUND.right)
    )
    (doubt,) = doubt_stripes(pair(left, right))
    assert doubt.startswith("both images have stripes along columns")


def test_a_wave_that_is_not_everywhere_the_same_makes_no_stripes() -> None:
    """As ripples of the ground: they drift from column to column."""
    rows, columns = np.mgrid[:256, :256]
    rippled = 128 + 20 * np.sin(2 * np.pi * (rows / 8 + columns / 200)).astype(np.float32)
    found = find_stripes(grey_from_array(np.asarray(np.rint(rippled), np.uint8)))
    assert found is None or found.along != "rows"


def test_what_is_hidden_makes_no_stripes_and_hides_none() -> None:
    """A caption's rows, dark and bright by turns, below a mask."""
    valid = np.ones(GROUND.left.shape, bool)
    valid[100:140] = False
    captioned, striped_too = [], []
    for image in (GROUND.left, GROUND.right):
        with_caption = image.copy()
        with_caption[100:140:4] = 0
        captioned.append(replace(grey_from_array(with_caption), valid=valid))
        below = striped(with_caption, 0.05, 6.0)
        striped_too.append(replace(grey_from_array(below), valid=valid))
    assert doubt_stripes(ImagePair(*captioned)) == ()
    assert len(doubt_stripes(ImagePair(*striped_too))) == 1


@pytest.mark.parametrize("side", [64, 255])
def test_of_a_small_image_nothing_is_said(side: int) -> None:
    small = striped(GROUND.left[:side, :side], 0.2, 6.0)
    assert find_stripes(grey_from_array(small)) is None


def test_an_image_of_which_nothing_is_seen_has_none() -> None:
    nothing = replace(grey_from_array(GROUND.left), valid=np.zeros(GROUND.left.shape, bool))
    assert find_stripes(nothing) is None
