"""Products by kernels and in parts are the products."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry import products
from lunar_runtime.geometry.products import dot, tiled, times

ROWS = np.random.default_rng(0).normal(size=(9, 9001))


@pytest.mark.parametrize("shape", [(9,), (5, 9)])
def test_a_matrix_times_columns(shape: tuple[int, ...]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    # Another order of nine additions: some roundings of 1e-16.
    np.testing.assert_allclose(times(matrix, ROWS), matrix @ ROWS, rtol=0, atol=1e-13)
    assert times(matrix, ROWS[:, :0]).shape == (*shape[:-1], 0)


def test_no_part_is_large_enough_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    parts = products._parts

    def watched(count: int, most: int):  # type: ignore[no-untyped-def]
        seen.append(most)
        return parts(count, most)

    monkeypatch.setattr(products, "_parts", watched)
    times(np.ones((5, 9)), ROWS)
    times(np.ones(9), ROWS)
    assert seen[0] * 45 <= 1 << 18 and seen[1] * 9 < 9216


@pytest.mark.parametrize("shape", [(7, 5), (96, 97), (40_000,), (50, 60, 4)])
def test_the_scalar_product_of_fields(shape: tuple[int, ...]) -> None:
    one, other = np.random.default_rng(4).normal(size=(2, *shape)).astype(np.float32)
    exact = float(np.sum(one.astype(np.float64) * other))
    # Sums of thousands of float32: some 1e-7 of what is added.
    assert abs(dot(one, other) - exact) < 1e-6 * float(np.sum(np.abs(one * other)))


def test_products_of_many_rows_tile_by_tile() -> None:
    rng = np.random.default_rng(5)
    one, other = (rng.standard_normal((count, 128), np.float32) for count in (300, 211))
    np.testing.assert_allclose(tiled(one, other), one @ other.T, rtol=0, atol=1e-4)
