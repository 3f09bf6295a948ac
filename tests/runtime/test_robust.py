"""The robust standard deviation, against Gaussians and outliers."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from lunar_runtime.geometry.robust import SIGMA_PER_MAD, percentiles, robust_sigma


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


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_percentiles_are_numpys(kind: type[np.floating]) -> None:
    values = np.random.default_rng(0).normal(10, 3, (50, 73)).astype(kind)
    shares = (0.0, 1.0, 33.3, 50.0, 100.0)
    np.testing.assert_array_equal(
        percentiles(values, shares), np.percentile(values.astype(np.float64), shares)
    )
