"""How a surface bends: second differences, their squares and transposes, as a thin plate has them.

A plane does not bend, nor does a free edge.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from lunar_runtime.geometry.fields import Field

_SMALL = 32  # pixels of a grid's longer side
# Of e_xx² + 2 e_xy² + e_yy², away from the edges.
_STENCIL = np.array(
    [[0, 0, 1, 0, 0], [0, 2, -8, 2, 0], [1, -8, 20, -8, 1], [0, 2, -8, 2, 0], [0, 0, 1, 0, 0]],
    np.float32,
)


def bending(e: Field) -> Field:
    """(H, W) e_xx² + 2 e_xy² + e_yy² per pixel."""
    xx, yy, xy = second_differences(e)
    energy = np.zeros_like(e)
    energy[:, 1:-1] += xx**2
    energy[1:-1] += yy**2
    energy[1:, 1:] += 2 * xy**2
    return energy


def plate_operator(e: Field, information: Field, stiffness: float) -> Field:
    """Information · e + stiffness · (second differences, and back), as one filter.

    Mirrored ends are right for the cross term, a product of second differences. A free edge does
    not bend, so there the fourth differences along a row or column lack what mirroring adds.

    Args:
        e: (H, W) or (H, W, C), several at once.
        information: As `e`.
        stiffness: Positive.
    """
    if e.ndim == 2 and max(e.shape) <= _SMALL:
        (straight_y, across_y), (straight_x, across_x) = (_along(n, stiffness) for n in e.shape)
        total: Field = straight_y @ e
        total += e @ straight_x
        total += across_y @ e @ across_x
        cv2.accumulateProduct(information, e, total)
        return total
    stiff = np.float32(stiffness)
    kernel = stiff * _STENCIL
    total = np.asarray(
        cv2.filter2D(e, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE), np.float32
    )
    for values, result in ((e, total), (e.swapaxes(0, 1), total.swapaxes(0, 1))):
        last = len(values) - 1
        edges, beside = slice(None, None, last), slice(1, -1, last - 2)  # of both ends at once
        rise = stiff * (values[edges] - values[beside])
        result[beside] += rise
        rise *= 2
        result[edges] -= rise
    cv2.accumulateProduct(information, e, total)
    return total


@lru_cache(maxsize=32)
def _along(length: int, stiffness: float) -> tuple[Field, Field]:
    """(N, N) of the operator along one axis, symmetric: straight, and its part of the cross term.

    On small grids three products take half of the time of the filter and its edges.
    """
    twice, once = np.diff(np.eye(length), 2, axis=0), np.diff(np.eye(length), axis=0)
    straight, across = stiffness * twice.T @ twice, np.sqrt(2 * stiffness) * once.T @ once
    return straight.astype(np.float32), across.astype(np.float32)


def second_differences(e: Field) -> tuple[Field, Field, Field]:
    """e_xx of (H, W - 2), e_yy of (H - 2, W), and e_xy of the corners between pixels."""
    xx = e[:, 2:] + e[:, :-2]
    xx -= 2 * e[:, 1:-1]
    yy = e[2:] + e[:-2]
    yy -= 2 * e[1:-1]
    xy = e[1:, 1:] - e[1:, :-1]
    xy -= e[:-1, 1:]
    xy += e[:-1, :-1]
    return xx, yy, xy


def second_differences_back(
    xx: Field,
    yy: Field,
    xy: Field,
    shape: tuple[int, ...],
    cross: float,
) -> Field:
    """The transpose of `second_differences`, a factor on the cross term; the three are used up."""
    total = np.zeros(shape, np.float32)
    total[:, 2:] += xx
    total[:, :-2] += xx
    total[2:] += yy
    total[:-2] += yy
    for values, middle in ((xx, total[:, 1:-1]), (yy, total[1:-1])):
        values *= 2
        middle -= values
    if cross != 1:
        xy *= np.float32(cross)
    total[1:, 1:] += xy
    total[1:, :-1] -= xy
    total[:-1, 1:] -= xy
    total[:-1, :-1] += xy
    return total
