"""Products in parts are the products."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry import products
from lunar_runtime.geometry.products import gram, times

ROWS = np.random.default_rng(0).normal(size=(9000, 9))


@pytest.mark.parametrize("shape", [(9,), (5, 9)])
def test_a_matrix_times_columns(shape: tuple[int, ...]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    columns = np.ascontiguousarray(ROWS.T)
    # Another order of nine additions: some roundings of 1e-16.
    np.testing.assert_allclose(times(matrix, columns), matrix @ columns, rtol=0, atol=1e-13)
    assert times(matrix, columns[:, :0]).shape == (*shape[:-1], 0)


def test_the_gram_matrix() -> None:
    others = np.random.default_rng(2).normal(size=(9000, 7))
    np.testing.assert_allclose(gram(ROWS, others), ROWS.T @ others, rtol=0, atol=1e-9)


def test_no_part_is_large_enough_for_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    parts = products._parts

    def watched(count: int, most: int):  # type: ignore[no-untyped-def]
        seen.append(most)
        return parts(count, most)

    monkeypatch.setattr(products, "_parts", watched)
    times(np.ones((5, 9)), ROWS.T)
    times(np.ones(9), ROWS.T)
    gram(ROWS, ROWS)
    assert seen[0] * 45 <= 1 << 18 and seen[1] * 9 < 9216 and seen[2] * 81 <= 1 << 18
