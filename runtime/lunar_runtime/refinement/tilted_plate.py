"""The thin plate with what brightness says of its tilt, as a correction of the plate without.

The correction f minimises

    Σ weight · f² + stiffness / compliance · (f_xx² + 2 f_xy² + f_yy²)
      + Σ information · (right · f_x + down · f_y − residual)²

with one such term for every light,
so it takes from the plate what the plate knows (long waves, and those across the light), and gives
it the rest. Tilts and brightness live on the corners between four of the plate's nodes, where both
differences do.

Cosine waves solve the even plate under an even light exactly. That preconditions conjugate
gradients, after the plate is scaled to be more even. What measurements hold and what nothing holds
are no even plate, so long waves beyond the overlap come last: coarser grids begin with them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.at_once import begun
from lunar_runtime.geometry.fields import Field, half, twice
from lunar_runtime.geometry.products import dot
from lunar_runtime.geometry.robust import middle
from lunar_runtime.kernels.library import run
from lunar_runtime.refinement.grids import gather
from lunar_runtime.refinement.plate_corners import (
    Tilt,
    add_pull,
    around,
    coarse_corners,
    corners,
)

_SOLVED = 1e-12  # of the first residual
_DIAGONAL = 20.0  # of the plate's own stencil
_COARSEST = 48  # nodes along the shorter side, at least


class Iterations(NamedTuple):
    """Of conjugate gradients, at most.

    Attributes:
        finest: On the plate's own grid.
        between: On each that is coarser, but the coarsest.
        coarsest: On that one; 0 = no grid but the plate's own.
    """

    finest: int
    between: int = 0
    coarsest: int = 0


class TiltedPlate:
    """See the module.

    Args:
        weight: (H, W) information on the departure, the prior's too.
        compliance: (H, W) of the plate.
        stiffness: Of the plate.
        tilts: Of the brightness under every light.
    """

    def __init__(
        self, weight: Field, compliance: Field, stiffness: float, tilts: Sequence[Tilt]
    ) -> None:
        self._shape = weight.shape
        self._told, self._stiff = tilts, _whole(np.float32(stiffness) / compliance)
        stiff = self._stiff
        self._weight = _whole(weight)
        self._twist = _whole(2 * corners(stiff))
        self._tilts = np.empty((len(tilts), 3, *self._twist.shape), np.float32)
        for kept, tilt in zip(self._tilts, tilts, strict=True):
            (kept[0], kept[1]), kept[2] = tilt.diagonals, tilt.information
        self._fields = self._weight, stiff, self._twist, self._tilts
        self._scale = _scale(weight, stiff, tilts)
        self._inverse = _inverse_of_even(weight, middle(stiff), tilts)

    def correction(
        self, residuals: Sequence[Field], iterations: Iterations, taken: Field | None = None
    ) -> Field:
        """(H, W) the correction that residual brightnesses, (H - 1, W - 1), ask for.

        Args:
            residuals: Less the brightness of the surface, one a light.
            iterations: Of the solver.
            taken: (H, W) of a correction that the surface has already: the plate resists both
                together; None = 0.
        """
        r = np.zeros(self._shape, np.float32)
        if taken is not None:
            self._apply(_whole(taken), r, lights=0)
            np.negative(r, out=r)
        for (falling, rising, information), residual in zip(self._tilts, residuals, strict=True):
            add_pull(around(r), information * residual, falling, rising)
        coarser = begun(self._coarser) if iterations.coarsest and self._halves else None
        return self._solved(r, iterations, iterations.finest, coarser)

    def _solved(
        self,
        r: Field,
        iterations: Iterations,
        here: int,
        coarser: Callable[[], tuple[TiltedPlate, ...]] | None,
    ) -> Field:
        """From the coarsest grid on; the residual is used up."""
        if coarser is None:
            return self._conjugate_gradients(r, here)
        f = self._conjugate_gradients(r, here // 2)
        plate, *others = coarser()
        there = iterations.between if others else iterations.coarsest
        rest = (lambda: tuple(others)) if others else None
        long = twice(plate._solved(gather(r), iterations, there, rest))
        bent = np.empty_like(r)
        energy = self._apply(long, bent)
        step = dot(long, r) / energy if energy > 0 else 0.0
        cv2.scaleAdd(bent, -step, r, r)
        cv2.scaleAdd(long, step, f, f)
        f += self._conjugate_gradients(r, here - here // 2)
        return f

    def _conjugate_gradients(self, r: Field, count: int) -> Field:
        """Some steps from 0; what they leave of the residual takes its place."""
        found, direction, bent = np.zeros_like(r), np.zeros_like(r), np.empty_like(r)
        waves = r * self._scale
        size, first = np.zeros(1), 0.0
        for _ in range(count):
            waves = self._unbent(waves)
            run("next_direction", waves, self._scale, r, direction, r.size, size)
            first = first or float(size[0])
            if not size[0] > _SOLVED * first:
                break
            run(
                "tilted_step", direction, found, r, bent, self._scale, waves, *self._fields,
                len(self._tilts), *self._shape, float(size[0]),
            )  # fmt: skip
        return found

    @property
    def _halves(self) -> bool:
        """Whether there is a coarser grid."""
        height, width = self._shape
        return not (height % 2 or width % 2) and min(height, width) >= 2 * _COARSEST

    def _coarser(self) -> tuple[TiltedPlate, ...]:
        """The plate of half the nodes along each side, of a quarter, and so on.

        Its second differences are four times as large on a quarter of the nodes, and its tilts
        twice as large.
        """
        if not self._halves:
            return ()
        tilts = []
        for tilt in self._told:
            (falling, rising), information = tilt.diagonals, tilt.information
            total = coarse_corners(information)
            share = np.float32(0.5) / np.maximum(total, np.float32(1e-30))
            fall, rise = (coarse_corners(information * by) * share for by in (falling, rising))
            tilts.append(Tilt(fall + rise, fall - rise, 4 * total))
        weight = np.maximum(gather(self._weight), 0)
        plate = TiltedPlate(weight, np.float32(1) / half(self._stiff), 0.25, tilts)
        return plate, *plate._coarser()

    def _apply(self, e: Field, total: Field, lights: int | None = None) -> float:
        """The operator of e into `total`, (H, W), with so many lights, None = all; eᵀ of it."""
        energy = np.empty(1)
        count = len(self._tilts) if lights is None else lights
        *fields, tilts = self._fields
        run("tilted_plate", e, total, *fields, tilts[:count], count, *self._shape, energy)
        return float(energy[0])

    def _unbent(self, waves: Field) -> Field:
        """Solved as if the plate were even, between both scalings; `waves` is used up."""
        (height, width), padded = self._shape, self._inverse.shape
        if padded != waves.shape:
            waves = np.pad(waves, ((0, height % 2), (0, width % 2)))
        cv2.dct(waves, waves)
        waves *= self._inverse
        cv2.dct(waves, waves, cv2.DCT_INVERSE)
        return np.ascontiguousarray(waves[:height, :width])


def _whole(values: Field) -> Field:
    """As a kernel takes them."""
    return np.ascontiguousarray(values, np.float32)


def _scale(weight: Field, stiff: Field, tilts: Sequence[Tilt]) -> Field:
    """(H, W) by which the plate is nearer to an even one: the operator's diagonal to -1/4.

    Half of the way to an even diagonal: inside the overlap it spares a quarter of the steps, all of
    the way none.
    """
    diagonal = weight + np.float32(_DIAGONAL) * stiff
    for tilt in tilts:
        seen = tilt.right * tilt.right
        seen += tilt.down * tilt.down
        seen *= tilt.information
        seen *= np.float32(0.25)
        for rows in (slice(1, None), slice(None, -1)):
            for columns in (slice(1, None), slice(None, -1)):
                diagonal[rows, columns] += seen
    diagonal /= np.float32(middle(diagonal))
    return np.asarray(1 / np.sqrt(np.sqrt(diagonal)), np.float32)


def _inverse_of_even(weight: Field, stiffness: float, tilts: Sequence[Tilt]) -> Field:
    """(H, W), padded to even sides: over cosine waves, of the plate whose fields are even."""
    height, width = (side + side % 2 for side in weight.shape)
    known = np.logical_or.reduce([tilt.information > 0 for tilt in tilts])
    least = 1e-12 * stiffness
    if not known.any():
        return np.full((height, width), 1 / stiffness, np.float32)
    even = middle(weight[:-1, :-1][known])
    along, across = (
        sum(float(np.mean((tilt.information * by * by)[known])) for tilt, by in pairs)
        for pairs in ([(t, t.right) for t in tilts], [(t, t.down) for t in tilts])
    )
    bent, tilted_x, tilted_y = _waves(height, width)
    operator = np.float32(stiffness) * bent
    operator += np.float32(along) * tilted_x
    operator += np.float32(across) * tilted_y
    operator += np.float32(even)
    np.maximum(operator, np.float32(least), out=operator)
    return np.asarray(np.divide(1, operator, out=operator))


@lru_cache(maxsize=4)
def _waves(height: int, width: int) -> tuple[Field, Field, Field]:
    """(H, W) of cosine waves: squares of their bends, and of their tilts right and down."""
    wave_x, wave_y = (2 - 2 * np.cos(np.pi * np.arange(side) / side) for side in (width, height))
    x, y = wave_x[None], wave_y[:, None]
    bent, right, down = (x + y) ** 2, x * (1 - y / 4), y * (1 - x / 4)
    return bent.astype(np.float32), right.astype(np.float32), down.astype(np.float32)
