"""Which pixels of a view err more than the plate's posterior says."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.dense_match import Brightness
from lunar_runtime.refinement.local_errors import LocalErrors, local_errors
from numpy.typing import NDArray

SHAPE = (96, 128)
FOCAL_PX = 600.0
EVERYWHERE = np.ones(SHAPE, bool)
LEFT, RIGHT = np.s_[8:-8, 8:24], np.s_[8:-8, -24:-8]  # of the half resolution, off the edges


def noise(seed: int = 0) -> Field:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def brightness(pull: Field) -> Brightness:
    ones = np.ones(SHAPE, np.float32)
    return Brightness(ones, pull, EVERYWHERE, ones, ones)


def found(bright: Brightness, surface: Field, decided: NDArray[np.bool_]) -> LocalErrors:
    return local_errors(bright, surface, decided, FOCAL_PX)


def local_factor(bright: Brightness, surface: Field, decided: NDArray[np.bool_]) -> Field:
    return found(bright, surface, decided).depth


ROUGH = 1 + np.float32(1e-3) * noise(1)
EVEN = local_factor(brightness(noise()), ROUGH, EVERYWHERE)


def test_in_the_median_the_posteriors_size_stays() -> None:
    assert EVEN.shape == (48, 64)
    assert np.median(EVEN) == pytest.approx(1, abs=0.02)
    assert np.std(np.log(EVEN)) < 0.25


def test_what_the_brightness_still_asks_for_is_an_error() -> None:
    pull = noise()
    pull[:, 64:] *= 10
    factor = local_factor(brightness(pull), ROUGH, EVERYWHERE)
    # Ten times the pull is 10 ** 0.3.
    assert np.median(factor[RIGHT]) / np.median(factor[LEFT]) == pytest.approx(2, rel=0.15)


def test_what_bends_more_errs_more() -> None:
    surface = np.where(np.arange(128) < 64, 1, 10) * (ROUGH - 1) + 1
    factor = local_factor(brightness(noise()), surface.astype(np.float32), EVERYWHERE)
    # Ten times the bend is 10 ** 0.16.
    assert np.median(factor[RIGHT]) / np.median(factor[LEFT]) == pytest.approx(1.45, rel=0.15)


def test_units_and_contrast_do_not_matter() -> None:
    ones = np.full(SHAPE, 50, np.float32)
    other = Brightness(ones, 50 * noise(), EVERYWHERE, ones, ones)
    np.testing.assert_allclose(local_factor(other, 7 * ROUGH, EVERYWHERE), EVEN, rtol=1e-3)


def test_where_the_images_do_not_decide_nothing_is_known() -> None:
    decided = EVERYWHERE.copy()
    decided[:, 64:] = False
    pull = np.where(decided, noise(), 0).astype(np.float32)
    factor = local_factor(brightness(pull), ROUGH, decided)
    assert (factor[:, 34:] == 1).all()
    assert np.isfinite(factor).all()
    assert (local_factor(brightness(pull), ROUGH, ~EVERYWHERE) == 1).all()


def test_images_that_agree_wholly_on_a_plane_have_no_more_than_the_posterior() -> None:
    flat = np.ones(SHAPE, np.float32)
    assert (local_factor(brightness(np.zeros(SHAPE, np.float32)), flat, EVERYWHERE) == 1).all()


def test_slopes_of_ground_that_bends_less_are_surer() -> None:
    bright = brightness(noise())
    even, rough = (found(bright, 1 + np.float32(k) * noise(1), EVERYWHERE) for k in (1e-4, 3e-4))
    np.testing.assert_allclose(even.depth, rough.depth, rtol=0.03)
    ratio = np.median(rough.slope) / np.median(even.slope)
    assert ratio == pytest.approx(3**0.52, rel=0.02)
    assert np.ptp(np.log(even.slope / even.depth)) < 1e-3  # a size, no place


def test_slopes_that_more_brightness_tells_are_surer() -> None:
    surface = 1 + np.float32(2e-4) * noise(1)
    ones = np.ones(SHAPE, np.float32)
    much = Brightness(100 * ones, 100 * noise(), EVERYWHERE, ones, ones)
    few, many = (found(one, surface, EVERYWHERE) for one in (brightness(noise()), much))
    ratio = np.median(many.slope) / np.median(few.slope)
    assert ratio == pytest.approx(100**-0.094, rel=0.02)


def test_slopes_that_nothing_decides_have_a_size_of_their_own() -> None:
    decided = EVERYWHERE.copy()
    decided[:, 64:] = False
    assert (found(brightness(noise()), ROUGH, decided).slope[:, 34:] == np.float32(0.92)).all()
    assert (found(brightness(noise()), ROUGH, ~EVERYWHERE).slope == np.float32(0.92)).all()
