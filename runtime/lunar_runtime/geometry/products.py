"""Products of long, narrow matrices and of fields, without threads.

OpenBLAS starts threads from 2¹⁸ multiplications on, for a vector from 9216, for a scalar product
from 10 000 numbers. Those of a few thousand matches by a pose's five numbers are hardly more, and
threads that wait for each other took five times the processor's time of one: for 0.1 s after such
a product they wait, at work, for the next. Besides, their number changes the last bits. So some
are compiled, the others made in parts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.geometry.fields import Field
from lunar_runtime.kernels.library import run

_ALONE, _VECTOR_ALONE = 1 << 18, 1 << 13


def times(matrix: Floats, columns: Floats) -> Floats:
    """A small (n, m) matrix or (m,) vector times (m, N) columns.

    Long rows are quicker than tall columns, for the product and for all that follows.
    """
    alone = _VECTOR_ALONE if matrix.ndim == 1 else _ALONE
    parts = [matrix @ columns[:, part] for part in _parts(columns.shape[1], alone // matrix.size)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def tiled(one: Field, other: Field) -> Field:
    """(N, M) products of (N, K) rows and (M, K) rows, tile by tile."""
    found = np.empty((len(one), len(other)), np.float32)
    side = max(1, math.isqrt(_ALONE // one.shape[1]))
    for rows in _parts(len(one), side):
        for columns in _parts(len(other), side):
            np.matmul(one[rows], other[columns].T, out=found[rows, columns])
    return found


def dot(a: Field, b: Field) -> float:
    """The sum of the products of two fields' numbers, float32 of any one shape."""
    found = np.empty(1)
    run("dot", np.ascontiguousarray(a), np.ascontiguousarray(b), a.size, found)
    return float(found[0])


def _parts(count: int, most: int) -> Iterator[slice]:
    for start in range(0, max(count, 1), most):
        yield slice(start, start + most)
