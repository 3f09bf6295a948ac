"""The distribution of real errors in units of the expected ones."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.landing.long_tails import ROUGHNESS, SLOPE, at_most


@pytest.mark.parametrize("unit", [SLOPE, ROUGHNESS])
def test_the_probability_is_that_of_random_numbers_of_this_distribution(unit: float) -> None:
    rng = np.random.default_rng(0)
    real = 5.0 + 0.2 * unit * rng.standard_t(3, 400_000)
    value, sigma = np.array([5.0], np.float32), np.array([0.2], np.float32)
    for limit in (4.7, 5.0, 5.1, 5.5, 6.5):
        told = float(at_most(limit, value, sigma, unit)[0])
        assert told == pytest.approx(np.mean(real <= limit), abs=3e-3)


def test_what_is_exact_is_certain_and_what_is_unknown_stays_so() -> None:
    value = np.array([1.0, 3.0, np.nan], np.float32)
    found = at_most(2.0, value, np.zeros(3, np.float32), SLOPE)
    assert found[0] == pytest.approx(1)
    assert found[1] == pytest.approx(0, abs=1e-9)
    assert np.isnan(found[2])
