"""How a surface bends: second differences, their squares and transposes, as a thin plate has them.

A plane does not bend, nor does a free edge.
"""

from __future__ import annotations

import numpy as np

from lunar_runtime.geometry.fields import Field


def bending(e: Field) -> Field:
    """(H, W) e_xx² + 2 e_xy² + e_yy² per pixel."""
    xx, yy, xy = second_differences(e)
    energy = np.zeros_like(e)
    energy[:, 1:-1] += xx**2
    energy[1:-1] += yy**2
    energy[1:, 1:] += 2 * xy**2
    return energy


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


def second_differences_back(xx: Field, yy: Field, xy: Field, shape: tuple[int, ...]) -> Field:
    """The transpose of `second_differences`; the first two are used up."""
    total = np.zeros(shape, np.float32)
    total[:, 2:] += xx
    total[:, :-2] += xx
    total[2:] += yy
    total[:-2] += yy
    for values, middle in ((xx, total[:, 1:-1]), (yy, total[1:-1])):
        values *= 2
        middle -= values
    total[1:, 1:] += xy
    total[1:, :-1] -= xy
    total[:-1, 1:] -= xy
    total[:-1, :-1] += xy
    return total
