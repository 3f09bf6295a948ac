"""Relative errors in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import InputError
from numpy.typing import NDArray


def test_a_pointmaps_error_is_the_distance_over_the_range() -> None:
    expected = np.zeros((1, 2, 2, 3))
    expected[..., 2] = [[10, 20], [10, 20]]
    actual = expected.copy()
    actual[0, 0, 0] += [0, 0.3, 0.4]
    assert relative_error(actual, expected) == pytest.approx((0.05, 0.0125))


def test_a_scalars_error_is_per_pixel() -> None:
    expected = np.array([[[1.0, 2.0], [4.0, 8.0]]])
    assert relative_error(expected * 1.1, expected) == pytest.approx((0.1, 0.1))


def test_a_reference_of_zero_counts_as_a_tenth_of_the_mean() -> None:
    expected = np.array([[[0.0, 2.0]]])
    largest, _ = relative_error(expected + 0.1, expected)
    assert largest == pytest.approx(1.0)


def test_nothing_against_nothing_is_no_error() -> None:
    assert relative_error(np.zeros((1, 2, 2)), np.zeros((1, 2, 2))) == (0.0, 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_infinitely_wrong(bad: float) -> None:
    assert relative_error(np.full((1, 2, 2), bad), np.ones((1, 2, 2))) == (np.inf, np.inf)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.ones((1, 2, 2)), np.ones((1, 2, 3))),
        (np.ones((2, 2)), np.ones((2, 2))),
        (np.ones((1, 2, 2)), np.full((1, 2, 2), np.nan)),
    ],
)
def test_what_cannot_be_compared_is_refused(actual: NDArray[Any], expected: NDArray[Any]) -> None:
    with pytest.raises(InputError, match="cannot compare"):
        relative_error(actual, expected)
