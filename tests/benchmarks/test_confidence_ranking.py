from __future__ import annotations

import numpy as np
import pytest
from lunar_bench.accuracy.confidence_ranking import rank_by_confidence
from lunar_runtime.errors import InputError

ERROR = np.random.default_rng(0).permutation(np.arange(1, 1001) / 1000)


def test_a_confidence_that_knows_the_error_has_no_area() -> None:
    found = rank_by_confidence(ERROR, 1 / ERROR)
    assert found.rank_correlation == pytest.approx(-1)
    assert found.ause == pytest.approx(0, abs=1e-12)
    # Tenths of 1/1000 … 1: medians 0.9505, 0.8505, …, 0.0505.
    np.testing.assert_allclose(found.error_by_tenth, np.arange(0.9505, 0, -0.1), atol=1e-9)


def test_a_confidence_that_is_upside_down_is_worse_than_none() -> None:
    found = rank_by_confidence(ERROR, ERROR)
    assert found.rank_correlation == pytest.approx(1)
    assert found.ause > found.ause_random
    # Errors uniform in (0, 1]: with the share f of the smallest left out the mean is 1 + f times
    # that of all, of the largest 1 - f; the difference, 2 f, has the area 1, against chance 1/2.
    assert found.ause == pytest.approx(1, abs=2e-3)  # a thousand steps instead of an integral
    assert found.ause_random == pytest.approx(0.5, abs=2e-3)


def test_a_constant_confidence_says_nothing() -> None:
    found = rank_by_confidence(np.sort(ERROR), np.ones(1000))
    assert found.rank_correlation == 0
    assert found.ause == pytest.approx(found.ause_random, abs=0.05)  # of a shuffle of 1000


def test_only_the_order_of_confidences_matters() -> None:
    confidence = np.random.default_rng(1).random(1000)
    assert rank_by_confidence(ERROR, confidence) == rank_by_confidence(
        ERROR, np.exp(9 * confidence)
    )


def test_pixels_without_an_error_do_not_count() -> None:
    error = np.r_[ERROR, np.full(50, np.nan)]
    found = rank_by_confidence(error, np.r_[1 / ERROR, np.full(50, 1e9)])
    assert found.ause == pytest.approx(0, abs=1e-12)


def test_equal_errors_leave_nothing_to_rank() -> None:
    found = rank_by_confidence(np.zeros(20), np.arange(20.0))
    assert (found.ause, found.ause_random, found.rank_correlation) == (0, 0, 0)


def test_too_few_pixels_are_an_error() -> None:
    with pytest.raises(InputError, match="a ranking needs 10 pixels with an error; there are 3"):
        rank_by_confidence(np.ones(3), np.ones(3))
