"""Products of long, narrow matrices, without threads.

OpenBLAS starts threads from 2¹⁸ multiplications on, and for a vector from 9216. Those of a few
thousand matches by a pose's five numbers are hardly more, and threads that wait for each other took
five times the processor's time of one. So such products are made in parts.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lunar_runtime.geometry.epipolar import Floats

_ALONE, _VECTOR_ALONE = 1 << 18, 1 << 13


def times(matrix: Floats, columns: Floats) -> Floats:
    """A small (n, m) matrix or (m,) vector times (m, N) columns.

    Long rows are quicker than tall columns, for the product and for all that follows.
    """
    alone = _VECTOR_ALONE if matrix.ndim == 1 else _ALONE
    parts = [matrix @ columns[:, part] for part in _parts(columns.shape[1], alone // matrix.size)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def gram(rows: Floats, others: Floats) -> Floats:
    """(m, n): the transpose of (N, m) rows, times (N, n) others."""
    total: Floats = np.zeros((rows.shape[1], others.shape[1]))
    for part in _parts(len(rows), _ALONE // total.size):
        total += rows[part].T @ others[part]
    return total


def _parts(count: int, most: int) -> Iterator[slice]:
    for start in range(0, max(count, 1), most):
        yield slice(start, start + most)
