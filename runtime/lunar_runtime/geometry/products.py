"""Products of long, narrow matrices and of fields, without threads.

OpenBLAS starts threads from 2¹⁸ multiplications on, for a vector from 9216, for a scalar product
from 10 000 numbers. Those of a few thousand matches by a pose's five numbers are hardly more, and
threads that wait for each other took five times the processor's time of one: for 0.1 s after such
a product they wait, at work, for the next. Besides, their number changes the last bits. So all of
them are made in parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.geometry.fields import Field

_ALONE, _VECTOR_ALONE = 1 << 18, 1 << 13


def times(matrix: Floats, columns: Floats) -> Floats:
    """A small (n, m) matrix or (m,) vector times (m, N) columns.

    Long rows are quicker than tall columns, for the product and for all that follows.
    """
    alone = _VECTOR_ALONE if matrix.ndim == 1 else _ALONE
    parts = [matrix @ columns[:, part] for part in _parts(columns.shape[1], alone // matrix.size)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def gram(rows: Floats, others: Floats) -> Floats:
    """(m, n): the transpose of (N, m) rows, times (N, n) others; (N,) others give (m,)."""
    total: Floats = np.zeros(rows.shape[1:] + others.shape[1:])
    alone = _VECTOR_ALONE if others.ndim == 1 else _ALONE
    for part in _parts(len(rows), alone // total.size):
        total += rows[part].T @ others[part]
    return total


def tiled(one: Field, other: Field) -> Field:
    """(N, M) products of (N, K) rows and (M, K) rows, tile by tile."""
    found = np.empty((len(one), len(other)), np.float32)
    side = max(1, math.isqrt(_ALONE // one.shape[1]))
    for rows in _parts(len(one), side):
        for columns in _parts(len(other), side):
            np.matmul(one[rows], other[columns].T, out=found[rows, columns])
    return found


def dot(a: Field, b: Field) -> float:
    """The sum of the products of two fields' numbers, of any shape."""
    if a.size <= _VECTOR_ALONE:
        return float(np.vdot(a, b))
    a, b = a.ravel(), b.ravel()
    parts = a.size // _VECTOR_ALONE
    even = parts * _VECTOR_ALONE
    sums = np.matmul(a[:even].reshape(parts, 1, -1), b[:even].reshape(parts, -1, 1))
    return float(sums.sum(dtype=np.float64)) + float(np.vdot(a[even:], b[even:]))


def _parts(count: int, most: int) -> Iterator[slice]:
    for start in range(0, max(count, 1), most):
        yield slice(start, start + most)
