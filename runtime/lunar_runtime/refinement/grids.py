"""From a grid to one of half the sides, and back: bilinear interpolation, and its transpose."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from lunar_runtime.geometry.fields import Field, twice

_SMALL = 64  # pixels of a grid's longer side, up to which products are quicker than filters
# Of bilinear interpolation to twice the sides, transposed.
_GATHER = np.array([0.25, 0.75, 0.75, 0.25], np.float32)


def spread(values: Field) -> Field:
    """`fields.twice`; of a small grid by two products."""
    if values.ndim > 2 or 2 * max(values.shape) > _SMALL:
        return twice(values)
    rows, columns = (_doubling(length) for length in values.shape)
    return np.asarray(rows @ values @ columns.T)


def gather(values: Field) -> Field:
    """The transpose of `fields.twice`."""
    if values.ndim == 2 and max(values.shape) <= _SMALL:
        rows, columns = (_doubling(length // 2) for length in values.shape)
        return np.asarray(rows.T @ values @ columns)
    values = values.copy()
    for along in (values.swapaxes(0, 1), values):
        along[1] -= along[0]
        along[0] *= 2
        along[-2] -= along[-1]
        along[-1] *= 2
    means = cv2.sepFilter2D(
        values, cv2.CV_32F, _GATHER, _GATHER, anchor=(1, 1), borderType=cv2.BORDER_REPLICATE
    )
    return np.ascontiguousarray(means[::2, ::2])


@lru_cache(maxsize=16)
def _doubling(length: int) -> Field:
    """(2 N, N) of `fields.twice`, along one axis."""
    units = np.eye(length, dtype=np.float32)
    return np.stack([twice(np.tile(one[:, None], 2))[:, 0] for one in units], axis=-1)
