"""Errors that a whole view shares, told exactly by a few draws."""

from __future__ import annotations

import numpy as np
from lunar_runtime.refinement.shared_errors import BEYOND, FOCAL, POSE, shared_errors


def test_columns_have_mean_square_one_and_do_not_mix() -> None:
    columns = shared_errors(8)
    np.testing.assert_allclose(columns.T @ columns / 8, np.eye(7), atol=1e-12)


def test_every_error_has_a_column_of_its_own() -> None:
    taken = [*range(7)[POSE], BEYOND, FOCAL]
    assert sorted(taken) == list(range(7))


def test_they_are_the_same_every_time() -> None:
    np.testing.assert_array_equal(shared_errors(8), shared_errors(8))
