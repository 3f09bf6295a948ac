"""One wave over both images."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.waves import clearest_wave, doubt_waves
from numpy.typing import NDArray

from .scenes import hilly_scene

GROUND = next(rendered_pairs(1, 256, seed=3))


def waved(image: NDArray[np.uint8], amplitude: float, period_px: float) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    gain = 1 + amplitude * np.sin(2 * np.pi * (0.6 * rows + 0.8 * columns) / period_px)
    return np.asarray(np.clip(image * gain, 0, 255), np.uint8)


def pair(left: NDArray[np.uint8], right: NDArray[np.uint8]) -> ImagePair:
    return ImagePair(grey_from_array(left), grey_from_array(right))


@pytest.mark.parametrize("period_px", [5.0, 12.0, 30.0])
def test_a_wave_over_both_images_is_a_doubt(period_px: float) -> None:
    left, right = (waved(image, 0.25, period_px) for image in (GROUND.left, GROUND.right))
    (doubt,) = doubt_waves(pair(left, right))
    assert doubt.startswith("one wave runs over both images")
    assert doubt_waves(pair(left, GROUND.right)) == ()  # what one image has, the matches tell


def test_ground_has_none() -> None:
    for image in (GROUND.left, GROUND.right):
        assert clearest_wave(grey_from_array(image)).over < 8
    assert clearest_wave(grey_from_array(GROUND.left[:40, :40])).over == 0


def test_a_texture_of_many_waves_is_none() -> None:
    scene = hilly_scene(256)
    found = clearest_wave(grey_from_array(scene.grey_left))
    assert found.over > 9
    assert not found.alone
