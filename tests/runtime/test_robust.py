"""The robust standard deviation, against Gaussians and outliers."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from lunar_runtime.geometry.robust import SIGMA_PER_MAD, robust_sigma


def test_the_factor_is_a_gaussians() -> None:
    # Half of a Gaussian lies within its 75 % quantile; four decimals are kept.
    assert pytest.approx(1 / NormalDist().inv_cdf(0.75), abs=5e-5) == SIGMA_PER_MAD


def test_the_sigma_of_a_gaussian_is_its_standard_deviation() -> None:
    values = np.random.default_rng(0).normal(0, 3, 20_000)
    # The median of N samples scatters by about 1.17 / sqrt(N) of it: 0.8 %.
    assert robust_sigma(values) == pytest.approx(3, rel=0.03)


def test_a_third_of_outliers_hardly_moves_it() -> None:
    values = np.random.default_rng(0).normal(0, 3, 9_000)
    values[::3] = 1e6
    # The median of what is left is the 75 % quantile of the good ones: 1.15 instead of 0.67 sigma.
    assert robust_sigma(values) == pytest.approx(3 * 1.15 / 0.6745, rel=0.05)


def test_it_is_measured_around_zero() -> None:
    assert robust_sigma(np.array([2.0, -2.0, 2.0])) == pytest.approx(2 * SIGMA_PER_MAD)
