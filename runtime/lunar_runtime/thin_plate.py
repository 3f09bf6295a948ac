"""A smooth surface through weighted measurements: the thin plate, solved by multigrid.

The surface e minimises

    Σ information · e² − 2 · pull · e  +  stiffness · Σ (e_xx² + 2 e_xy² + e_yy²)

so with `pull = information · measured` it passes the measurements as closely as they are worth,
bends as little as it can elsewhere, and costs nothing where it is a plane. Read as probabilities it
is the posterior mean of a terrain whose curvature has the variance 1 / stiffness.

A biharmonic operator needs transfers between grids of total order above four (Hackbusch 1985): here
area averages down, bicubic interpolation up, conjugate gradients as the smoother, and a line search
on every coarse correction, so that no cycle can make things worse.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

_COARSEST = 16  # pixels along the shorter side; conjugate gradients alone solve that
_COARSEST_ITERATIONS = 200
_SMOOTHING_ITERATIONS = 4
_DIAGONAL = 20.0  # of the stencil of e_xx² + 2 e_xy² + e_yy²


def solve_thin_plate(
    information: Field, pull: Field, stiffness: float, *, start: Field | None = None, cycles: int
) -> Field:
    """The surface that minimises the sum above.

    Args:
        information: (H, W), not negative; 0 = nothing was measured.
        pull: (H, W), information · measured.
        stiffness: Positive.
        start: (H, W) first guess; None = 0.
        cycles: Multigrid cycles; each leaves about a third of the error. Five give 1e-4 of the
            relief on 256 × 256 px.

    Returns:
        (H, W) float32.
    """
    height, width = information.shape
    block = 1
    while min(height, width) // (2 * block) >= _COARSEST:
        block *= 2
    below, right = -height % block, -width % block
    # In units of the stiffness, float32 keeps its digits whatever the terrain. Padding is empty.
    levels = [_pad(information / np.float32(stiffness), below, right)]
    while block > 1:
        levels.append(halve(levels[-1]) * 4)
        block //= 2
    b = _pad(pull / np.float32(stiffness), below, right)
    e = np.zeros_like(b) if start is None else _pad(start.astype(np.float32), below, right)
    for _ in range(cycles):
        e = e + _cycle(levels, b - _apply(e, levels[0], 1.0), 0)
    return np.asarray(e[:height, :width], np.float32)


def sample_thin_plate(
    information: Field, stiffness: float, rng: np.random.Generator, *, cycles: int
) -> Field:
    """One random surface with the covariance of `solve_thin_plate`'s error.

    Perturb and solve (Papandreou and Yuille 2010): noise on every measurement and on every second
    difference, each of its own variance.
    """
    height, width = information.shape

    def noise(rows: int, columns: int) -> Field:
        return rng.standard_normal((rows, columns), np.float32)

    bent = _bend_back(
        noise(height, width - 2), noise(height - 2, width), noise(height - 1, width - 1),
        (height, width), np.float32(np.sqrt(2.0)),
    )  # fmt: skip
    pull = np.sqrt(information) * noise(height, width) + np.float32(np.sqrt(stiffness)) * bent
    return solve_thin_plate(information, pull, stiffness, cycles=cycles)


def halve(values: Field) -> Field:
    """Mean of 2 × 2 blocks; the sides must be even."""
    size = values.shape[1] // 2, values.shape[0] // 2
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)


def double(values: Field) -> Field:
    """Bicubic interpolation to twice the sides."""
    size = values.shape[1] * 2, values.shape[0] * 2
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_CUBIC), np.float32)


def bending(e: Field) -> Field:
    """(H, W) e_xx² + 2 e_xy² + e_yy² per pixel."""
    xx, yy, xy = _bend(e)
    energy = np.zeros_like(e)
    energy[:, 1:-1] += xx**2
    energy[1:-1] += yy**2
    energy[1:, 1:] += 2 * xy**2
    return energy


def _cycle(levels: list[Field], residual: Field, level: int) -> Field:
    """An approximate solution of "operator · e = residual" at a level."""
    information = levels[level]
    # A grid of half the resolution sees second differences four times as large on a quarter of
    # the nodes: its stiffness is a quarter.
    stiffness = 0.25**level
    if level + 1 == len(levels):
        return _conjugate_gradients(information, residual, stiffness, _COARSEST_ITERATIONS)
    e = double(_cycle(levels, halve(residual) * 4, level + 1))
    bent = _apply(e, information, stiffness)
    energy = float(np.vdot(e, bent))
    step = np.float32(np.vdot(e, residual) / energy) if energy > 0 else np.float32(0)
    residual = residual - step * bent
    smooth = _conjugate_gradients(information, residual, stiffness, _SMOOTHING_ITERATIONS)
    return np.asarray(step * e + smooth, np.float32)


def _conjugate_gradients(
    information: Field, residual: Field, stiffness: float, iterations: int
) -> Field:
    inverse_diagonal = 1 / (information + np.float32(_DIAGONAL * stiffness))
    e = np.zeros_like(residual)
    residual = residual.copy()
    z = inverse_diagonal * residual
    p = z.copy()
    size = first = float(np.vdot(residual, z))
    for _ in range(iterations):
        if size <= 1e-10 * first or size <= 0:
            break
        q = _apply(p, information, stiffness)
        step = np.float32(size / float(np.vdot(p, q)))
        e += step * p
        residual -= step * q
        z = inverse_diagonal * residual
        previous, size = size, float(np.vdot(residual, z))
        p *= np.float32(size / previous)
        p += z
    return e


def _apply(e: Field, information: Field, stiffness: float) -> Field:
    xx, yy, xy = _bend(e)
    bent = _bend_back(xx, yy, xy, e.shape, np.float32(2))
    return np.asarray(information * e + np.float32(stiffness) * bent, np.float32)


def _bend(e: Field) -> tuple[Field, Field, Field]:
    xx = e[:, 2:] - 2 * e[:, 1:-1] + e[:, :-2]
    yy = e[2:] - 2 * e[1:-1] + e[:-2]
    xy = e[1:, 1:] - e[1:, :-1] - e[:-1, 1:] + e[:-1, :-1]
    return xx, yy, xy


def _bend_back(xx: Field, yy: Field, xy: Field, shape: tuple[int, ...], cross: np.float32) -> Field:
    """The transpose of `_bend`, with a factor on the cross term."""
    total = np.zeros(shape, np.float32)
    total[:, 2:] += xx
    total[:, 1:-1] -= 2 * xx
    total[:, :-2] += xx
    total[2:] += yy
    total[1:-1] -= 2 * yy
    total[:-2] += yy
    xy = cross * xy
    total[1:, 1:] += xy
    total[1:, :-1] -= xy
    total[:-1, 1:] -= xy
    total[:-1, :-1] += xy
    return total


def _pad(values: Field, below: int, right: int) -> Field:
    return np.pad(values, ((0, below), (0, right))) if below or right else values
