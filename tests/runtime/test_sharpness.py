"""Blur that still matches, and flattens slopes, is seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.sharpness import doubt_one_eye, doubt_sharpness, sharpness
from numpy.typing import NDArray

GROUND = next(rendered_pairs(1, 256, seed=3))


def along_rows(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.blur(image, (width, 1)), np.uint8)


def around(image: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def pair(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> ImagePair:
    return ImagePair(grey_from_array(left), grey_from_array(right))


def test_ground_is_sharp_and_less_so_the_more_it_is_blurred() -> None:
    found = [sharpness(grey_from_array(around(GROUND.left, s))) for s in (0.1, 2, 4)]
    assert found[0] > 0.55
    assert found == sorted(found, reverse=True)
    assert doubt_sharpness(pair(GROUND.left, GROUND.right)) == ()


def test_the_blurred_image_is_named() -> None:
    (doubt,) = doubt_sharpness(pair(GROUND.left, around(GROUND.right, 4)))
    assert doubt.startswith("the right image is blurred")
    (doubt,) = doubt_sharpness(pair(along_rows(GROUND.left, 15), GROUND.right))
    assert doubt.startswith("the left image is blurred")


@pytest.mark.parametrize("side", [32, 63])
def test_of_a_very_small_image_nothing_is_said(side: int) -> None:
    small = np.random.default_rng(0).integers(0, 255, (side, side), dtype=np.uint8)
    assert sharpness(grey_from_array(small)) == 1.0
    assert doubt_one_eye(pair(small, around(small, 3))) == ()


def test_the_image_that_is_less_sharp_than_the_other_is_named() -> None:
    for right in (cv2.medianBlur(GROUND.right, 5), along_rows(GROUND.right, 5)):
        (doubt,) = doubt_one_eye(pair(GROUND.left, np.asarray(right, np.uint8)))
        assert doubt.startswith("the right image is less sharp than the other")
    assert doubt_one_eye(pair(around(GROUND.left, 1.5), around(GROUND.right, 1.5))) == ()
    (doubt,) = doubt_one_eye(pair(around(GROUND.left, 2), GROUND.right))
    assert doubt.startswith("the left image")


def test_images_of_other_sizes_have_other_detail() -> None:
    right = cv2.resize(GROUND.right, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    assert doubt_one_eye(pair(GROUND.left, np.asarray(right, np.uint8))) == ()
    assert doubt_one_eye(pair(GROUND.left, GROUND.right)) == ()
