"""Least squares by a kernel, beside NumPy's."""

from __future__ import annotations

import time

import numpy as np
import pytest
from lunar_runtime.geometry.least_squares import normal_equations, robust_fit
from lunar_runtime.geometry.robust import robust_sigma
from numpy.typing import NDArray

ROWS = np.random.default_rng(0).normal(size=(9, 9001))


@pytest.mark.parametrize("count", [1, 7, 256, 9001])
def test_normal_equations(count: int) -> None:
    rng = np.random.default_rng(2)
    A, b, weight = ROWS[:, :count], rng.normal(size=count), rng.random(count)
    product, pull = normal_equations(A, b, weight)
    np.testing.assert_allclose(product, (A * weight) @ A.T, rtol=0, atol=1e-10)
    np.testing.assert_allclose(pull, A @ (weight * b), rtol=0, atol=1e-10)
    even, asked = normal_equations(A, b)
    np.testing.assert_allclose(even, A @ A.T, rtol=0, atol=1e-10)
    np.testing.assert_allclose(asked, A @ b, rtol=0, atol=1e-10)


def reweighted(A: NDArray[np.float64], b: NDArray[np.float64], rounds: int) -> NDArray[np.float64]:
    """The same fit, by an orthogonal factorisation in every round."""
    weight = np.ones(len(b))
    for _ in range(rounds):
        root = np.sqrt(weight)
        solution = np.linalg.lstsq((A * root).T, b * root, rcond=None)[0]
        residual = solution @ A - b
        weight = 1 / (1 + (residual / (2 * robust_sigma(residual))) ** 2)
    return np.asarray(solution)


def measured(rows: int, count: int = 3000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Terms of very different size, noise, and a tenth that is far off."""
    rng = np.random.default_rng(rows)
    A = rng.normal(size=(rows, count)) * 10.0 ** rng.integers(-4, 4, rows)[:, None]
    b = np.arange(1, rows + 1) / np.abs(A).max(axis=1) @ A + 0.01 * rng.normal(size=count)
    b[: count // 10] += 50
    return A, b


@pytest.mark.parametrize("rows", [1, 3, 5, 20])
@pytest.mark.parametrize("rounds", [1, 2, 9])
def test_a_robust_fit(rows: int, rounds: int) -> None:
    A, b = measured(rows)
    found = robust_fit(A, b, iterations=rounds, settled=0)
    np.testing.assert_allclose(found, reweighted(A, b, rounds), rtol=1e-5)


def test_a_fit_ends_where_it_settles() -> None:
    A, b = measured(5)
    np.testing.assert_allclose(robust_fit(A, b), reweighted(A, b, 60), rtol=1e-3)


def test_a_fit_that_was_started_is_reweighted_at_once() -> None:
    A, b = measured(5)
    first = robust_fit(A, b, iterations=2, settled=0)
    again = robust_fit(A, b, start=first, iterations=1)
    np.testing.assert_allclose(again, robust_fit(A, b, iterations=3, settled=0), rtol=1e-12)


def test_weights_count_as_often_as_they_say() -> None:
    A, b = measured(3, 600)
    twice = np.concatenate([A, A[:, :200]], axis=1)
    weight = np.where(np.arange(600) < 200, 2.0, 1.0)
    once = robust_fit(A, b, weight, iterations=1)
    np.testing.assert_allclose(
        once, robust_fit(twice, np.concatenate([b, b[:200]]), iterations=1), rtol=1e-9
    )


def test_what_nothing_tells_is_zero() -> None:
    A, b = measured(4)
    A[1] = 0
    A[3] = 2 * A[2]  # either of both will do
    found = robust_fit(A, b, iterations=4, settled=0)
    assert found[1] == 0 and (found[2] == 0) != (found[3] == 0)
    only = robust_fit(A[[0, 2]], b, iterations=4, settled=0)
    np.testing.assert_allclose(found @ A, only @ A[[0, 2]], rtol=0, atol=1e-9)


def test_dropped_rows_give_zero() -> None:
    A, b = measured(4)
    keep = np.array([True, False, True, False])
    found = robust_fit(A, b, keep=keep)
    assert not found[~keep].any()
    np.testing.assert_array_equal(found[keep], robust_fit(A[keep], b))


@pytest.mark.parametrize("row", [0, 2])
def test_what_is_not_a_number_gives_no_numbers(row: int) -> None:
    A, b = measured(3)
    A[row, 17] = np.nan
    assert np.isnan(robust_fit(A, b)).all()


def test_no_order_of_the_residuals_takes_long() -> None:
    """What rises and then falls took n² steps: 0.17 s."""
    rising = np.arange(30_000) / 30_000
    A, b = np.full((1, 60_000), 1e-3), np.concatenate([rising, rising[::-1]])
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        robust_fit(A, b, start=np.zeros(1), iterations=1)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.05


@pytest.mark.parametrize("count", [1, 2, 3, 10, 11, 999, 1000])
def test_the_middle_of_the_residuals_is_numpys(count: int) -> None:
    """One step from a start leaves weights by it: those of the same fit by NumPy."""
    rng = np.random.default_rng(count)
    A, b = rng.normal(size=(1, count)), rng.integers(1, 9, count) + rng.random(count).round(1)
    weight = 1 / (1 + (b / (2 * robust_sigma(b))) ** 2)
    found = robust_fit(A, b, start=np.zeros(1), iterations=1)
    np.testing.assert_allclose(found, (A * weight) @ b / ((A * weight) @ A[0]), rtol=1e-6)
