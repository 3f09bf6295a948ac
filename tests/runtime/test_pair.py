"""Which two images can be a stereo pair."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.pair import check_pair
from numpy.typing import NDArray


def test_a_pair_of_different_textures_is_fine(
    make_texture: Callable[..., NDArray[np.uint8]],
) -> None:
    check_pair(grey_from_array(make_texture(1)), grey_from_array(make_texture(2)))


def test_one_grey_level_of_difference_makes_another_image(
    make_texture: Callable[..., NDArray[np.uint8]],
) -> None:
    other = make_texture(1)
    other[5, 5] ^= 1
    check_pair(grey_from_array(make_texture(1)), grey_from_array(other))


def test_a_dim_but_textured_image_is_fine(make_texture: Callable[..., NDArray[np.uint8]]) -> None:
    dim = (make_texture(1) // 40).astype(np.uint8)  # 7 grey levels
    check_pair(grey_from_array(dim), grey_from_array(make_texture(2)))


@pytest.mark.parametrize("size", [64, 512])
def test_one_hot_pixel_is_no_texture(size: int) -> None:
    black = np.zeros((512, 512), np.uint8)
    black[size // 2, size // 3] = 255
    with pytest.raises(InputError, match="no texture"):
        check_pair(grey_from_array(black), grey_from_array(black))
