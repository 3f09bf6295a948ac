"""Which pixels of a view err more than the plate's posterior says."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.dense_match import Brightness
from lunar_runtime.refinement.local_errors import local_factor

SHAPE = (96, 128)
EVERYWHERE = np.ones(SHAPE, bool)
LEFT, RIGHT = np.s_[8:-8, 8:24], np.s_[8:-8, -24:-8]  # of the half resolution, off the edges


def noise(seed: int = 0) -> Field:
    return np.random.default_rng(seed).standard_normal(SHAPE).astype(np.float32)


def brightness(pull: Field) -> Brightness:
    ones = np.ones(SHAPE, np.float32)
    return Brightness(ones, pull, EVERYWHERE, ones, ones)


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
