"""Brightness that differs between the images from place to place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.evenness import unevenness
from numpy.typing import NDArray

SHAPE = (160, 256)
EVERYWHERE = np.ones(SHAPE, bool)
ROWS, COLUMNS = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)


def ground(seed: int = 0) -> Field:
    coarse = np.random.default_rng(seed).uniform(60, 180, SHAPE)
    return np.asarray(coarse, np.float32)


def striped(image: Field, amplitude: float) -> Field:
    gain = 1 + amplitude * np.sin(2 * np.pi * ROWS / 80)
    return np.asarray(image * gain, np.float32)


def test_one_light_is_even_whatever_exposure_vignetting_and_noise() -> None:
    image = ground()
    across = (COLUMNS / SHAPE[1] - 0.5) ** 2 + (ROWS / SHAPE[0] - 0.5) ** 2
    noise = np.random.default_rng(1).normal(0, 5, SHAPE)
    other = np.asarray(1.7 * image * np.exp(-0.4 * across) + noise, np.float32)
    assert unevenness(image, other, EVERYWHERE) < 0.01


@pytest.mark.parametrize("amplitude", [0.1, 0.3])
def test_stripes_show_by_their_deviation(amplitude: float) -> None:
    image = ground()
    found = unevenness(image, striped(image, amplitude), EVERYWHERE)
    assert found == pytest.approx(amplitude / math.sqrt(2), rel=0.5)


def test_what_only_one_image_shows_and_shadow_do_not_count() -> None:
    image = ground()
    other = image.copy()
    other[:, :100] = 255 - other[:, :100] * np.float32(0.8)
    inside: NDArray[np.bool_] = EVERYWHERE.copy()
    inside[:, :108] = False
    assert unevenness(image, other, inside) < 0.01
    image[:60], other[:60] = 1.0, 5.0
    image[60:72] = other[60:72] = 5.0
    assert unevenness(image, other, inside) < 0.02


def test_too_little_ground_tells_nothing() -> None:
    inside = np.zeros(SHAPE, bool)
    inside[:8, :8] = True
    assert unevenness(ground(0), ground(1), inside) == 0.0
