"""Products in parts are the products."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.geometry import products
from lunar_runtime.geometry.products import gram, times

ROWS = np.random.default_rng(0).normal(size=(9000, 9))


@pytest.mark.parametrize("shape", [(9,), (9, 5)])
def test_rows_times_a_matrix(shape: tuple[int, ...]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    # Another order of nine additions: some roundings of 1e-16.
    np.testing.assert_allclose(times(ROWS, matrix), ROWS @ matrix, rtol=0, atol=1e-13)
    assert times(ROWS[:0], matrix).shape == (0, *shape[1:])


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
    times(ROWS, np.ones((9, 5)))
    times(ROWS, np.ones(9))
    gram(ROWS, ROWS)
    assert seen[0] * 45 <= 1 << 18 and seen[1] * 9 < 9216 and seen[2] * 81 <= 1 << 18
