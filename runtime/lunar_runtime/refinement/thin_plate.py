"""A smooth surface through weighted measurements: the thin plate, solved by multigrid.

The surface e minimises

    Σ information · e² − 2 · pull · e  +  stiffness · Σ (e_xx² + 2 e_xy² + e_yy²)

so with `pull = information · measured` it passes the measurements as closely as they are worth,
bends as little as it can elsewhere, and costs nothing where it is a plane. Read as probabilities it
is the posterior mean of a terrain whose curvature has the variance 1 / stiffness.

Multigrid preconditions conjugate gradients: bilinear interpolation up, extrapolated at the edges so
that a plane stays one (planes are what the operator does not feel), its transpose down, for the
information too, since a coarse pixel that is pulled by its neighbours' measurements must hold their
weight. Conjugate gradients smooth, and the coarsest grid is solved by its inverse.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.products import dot
from lunar_runtime.refinement.bending import (
    plate_operator,
    second_differences,
    second_differences_back,
)
from lunar_runtime.refinement.grids import gather, spread

_COARSEST = 8  # pixels along the shorter side, at least
# Of conjugate gradients on the finest grid, and on the others. What a cycle leaves is long waves:
# after six cycles 2 and 8 leave 24 millionths where little was measured, 6 and 6 leave 41 in 1.2
# times the time, 6 and 4 leave 127 (medians of ten sums of 256 × 256 px).
_FINEST_ITERATIONS, _ITERATIONS = 2, 8
_AT_ONCE = 4
_DIAGONAL = 20.0  # of the stencil


def solve_thin_plate(
    information: Field, pull: Field, stiffness: float, *, start: Field | None = None, cycles: int
) -> Field:
    """The surface that minimises the sum above.

    Args:
        information: (H, W), not negative; 0 = nothing was measured.
        pull: (H, W), information · measured.
        stiffness: Positive.
        start: (H, W) first guess; None = 0.
        cycles: At most. On refinement's own sums of 256 × 256 px, three leave a tenth of the
            surface's deviation where little was measured, five 1-2 %, eight 0.1-0.5 %.

    Returns:
        (H, W) float32.
    """
    return _solve(_prepare(information, stiffness), pull, stiffness, start, cycles)


class PlateNoise(NamedTuple):
    """Of one draw, each of unit variance.

    Attributes:
        xx: (H, W - 2) of the second differences along rows.
        yy: (H - 2, W) along columns.
        xy: (H - 1, W - 1) across.
        measured: (H, W) of the measurements.
    """

    xx: Field
    yy: Field
    xy: Field
    measured: Field


def plate_noise(shape: tuple[int, int], rng: np.random.Generator, count: int) -> list[PlateNoise]:
    """Of so many draws of an (H, W) plate."""
    height, width = shape

    def noise(rows: int, columns: int) -> Field:
        return rng.standard_normal((rows, columns), np.float32)

    return [
        PlateNoise(
            noise(height, width - 2), noise(height - 2, width), noise(height - 1, width - 1),
            noise(height, width),
        )
        for _ in range(count)
    ]  # fmt: skip


def sample_thin_plate(
    information: Field, stiffness: float, noise: list[PlateNoise], *, cycles: int
) -> Field:
    """Random surfaces with the covariance of `solve_thin_plate`'s error.

    Perturb and solve (Papandreou and Yuille 2010): noise on every measurement and on every second
    difference, each of its own variance. `_AT_ONCE` surfaces are solved as one system, the channels
    of one image.

    Args:
        information: (H, W), as in `solve_thin_plate`.
        stiffness: Positive.
        noise: Of each surface; it is used up, and the list is empty then.
        cycles: At most, of each system.

    Returns:
        (N, H, W) float32.
    """
    spread = np.sqrt(information)

    def pull(of: PlateNoise) -> Field:
        cross = np.float32(np.sqrt(2.0))
        bent = second_differences_back(of.xx, of.yy, of.xy, information.shape, cross)
        bent *= np.float32(np.sqrt(stiffness))
        measured = of.measured
        measured *= spread
        bent += measured
        return bent

    grids = _prepare(information, stiffness)
    drawn = []
    while noise:
        pulls = [pull(noise.pop(0)) for _ in range(min(_AT_ONCE, len(noise)))]
        if len(pulls) == 1:  # OpenCV has no axis of one channel
            drawn.append(_solve(grids, pulls[0], stiffness, None, cycles)[None])
            continue
        system = grids.repeated(len(pulls))
        together = _solve(system, np.stack(pulls, axis=-1), stiffness, None, cycles)
        drawn.append(np.moveaxis(together, -1, 0))
    return np.concatenate(drawn)


class _Grids(NamedTuple):
    """Information per pixel of every grid, what preconditions it, and the coarsest's inverse."""

    information: list[Field]
    inverse_diagonal: list[Field]
    coarsest: NDArray[np.float32]

    def repeated(self, channels: int) -> _Grids:
        """The same for images of several channels."""

        def deep(levels: list[Field]) -> list[Field]:
            return [np.repeat(level[..., None], channels, axis=-1) for level in levels]

        return _Grids(deep(self.information), deep(self.inverse_diagonal), self.coarsest)


def _prepare(information: Field, stiffness: float) -> _Grids:
    """All that does not depend on the pull."""
    height, width = information.shape
    block = 1
    while min(height, width) // (2 * block) >= _COARSEST:
        block *= 2
    below, right = -height % block, -width % block
    # In units of the stiffness, float32 keeps its digits whatever the terrain. Padding is empty.
    levels = [_pad(information / np.float32(stiffness), below, right)]
    while block > 1:
        levels.append(np.maximum(gather(levels[-1]), 0))
        block //= 2
    diagonals = [
        1 / (level + np.float32(_DIAGONAL * 0.25**i)) for i, level in enumerate(levels[:-1])
    ]
    return _Grids(levels, diagonals, _coarsest_inverse(levels[-1], 0.25 ** (len(levels) - 1)))


def _solve(grids: _Grids, pull: Field, stiffness: float, start: Field | None, cycles: int) -> Field:
    height, width = pull.shape[:2]
    information = grids.information[0]
    below, right = information.shape[0] - height, information.shape[1] - width
    residual = _pad(pull / np.float32(stiffness), below, right)
    if start is None:
        e = np.zeros_like(residual)
    else:
        e = _pad(start, below, right)
        # Differences first: one filter's rounding would add up to bend what is nearly a plane.
        residual -= information * e
        residual -= second_differences_back(*second_differences(e), e.shape, np.float32(2))
        e = e.copy() if e is start else e
    p = before = np.zeros_like(residual)
    size = 1.0
    for left in range(cycles - 1, -1, -1):
        z = _cycle(grids, residual.copy(), 0)
        along = dot(z, residual)
        # Polak and Ribière: the preconditioner is not linear.
        turned = max(along - dot(z, before), 0.0) / size
        p = np.asarray(cv2.scaleAdd(p, turned, z), np.float32)
        bent = plate_operator(p, information, 1.0)
        energy = dot(p, bent)
        if not energy > 0:
            break
        step = dot(p, residual) / energy
        cv2.scaleAdd(p, step, e, e)
        if left:
            before, size = residual, max(along, 1e-30)
            residual = np.asarray(cv2.scaleAdd(bent, -step, residual), np.float32)
    return e[:height, :width]


def _cycle(grids: _Grids, residual: Field, level: int) -> Field:
    """An approximate solution of "operator · e = residual" at a level; the residual is used up."""
    information = grids.information[level]
    # A grid of half the resolution sees second differences four times as large on a quarter of
    # the nodes: its stiffness is a quarter.
    stiffness = 0.25**level
    if level + 1 == len(grids.information):
        column = residual.reshape(len(grids.coarsest), -1)
        return np.asarray((grids.coarsest @ column).reshape(residual.shape), np.float32)
    e = spread(_cycle(grids, gather(residual), level + 1))
    bent = plate_operator(e, information, stiffness)
    energy = dot(e, bent)
    step = dot(e, residual) / energy if energy > 0 else 0.0
    cv2.scaleAdd(bent, -step, residual, residual)
    smooth = _conjugate_gradients(
        information,
        grids.inverse_diagonal[level],
        residual,
        stiffness,
        _ITERATIONS if level else _FINEST_ITERATIONS,
    )
    cv2.scaleAdd(e, step, smooth, smooth)
    return smooth


def _coarsest_inverse(information: Field, stiffness: float) -> NDArray[np.float32]:
    """Of the coarsest grid's operator, (N, N); its least information keeps it invertible."""
    operator = np.float64(stiffness) * _dense_bending(information.shape)
    weight = information.ravel().astype(np.float64)
    least = 1e-9 * (stiffness + float(weight.max()))
    return np.asarray(np.linalg.inv(operator + np.diag(np.maximum(weight, least))), np.float32)


@lru_cache(maxsize=8)
def _dense_bending(shape: tuple[int, int]) -> NDArray[np.float64]:
    unit = np.eye(shape[0] * shape[1], dtype=np.float32).reshape(-1, *shape)
    nothing = np.zeros(shape, np.float32)
    return np.stack([plate_operator(e, nothing, 1.0).ravel() for e in unit]).astype(np.float64)


def _conjugate_gradients(
    information: Field, inverse_diagonal: Field, residual: Field, stiffness: float, iterations: int
) -> Field:
    """Some steps from 0; the residual is used up. Every step of it is one pass, in place."""
    e = np.zeros_like(residual)
    z = inverse_diagonal * residual
    p = z.copy()
    size = first = dot(residual, z)
    for left in range(iterations - 1, -1, -1):
        if size <= 1e-10 * first or size <= 0:
            break
        q = plate_operator(p, information, stiffness)
        energy = dot(p, q)
        if not energy > 0:  # rounding is left
            break
        step = size / energy
        cv2.scaleAdd(p, step, e, e)
        if left:
            cv2.scaleAdd(q, -step, residual, residual)
            np.multiply(inverse_diagonal, residual, out=z)
            previous, size = size, dot(residual, z)
            cv2.scaleAdd(p, size / previous, z, p)
    return e


def _pad(values: Field, below: int, right: int) -> Field:
    if not (below or right):
        return values
    return np.pad(values, ((0, below), (0, right), (0, 0))[: values.ndim])
