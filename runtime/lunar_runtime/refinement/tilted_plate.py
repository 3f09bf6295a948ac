"""The thin plate with what brightness says of its tilt, as a correction of the plate without.

The correction f minimises

    Σ weight · f² + stiffness / compliance · (f_xx² + 2 f_xy² + f_yy²)
      + Σ information · (right · f_x + down · f_y − residual)²

with one such term for every light,
so it takes from the plate what the plate knows (long waves, and those across the light), and gives
it the rest. Tilts and brightness live on the corners between four of the plate's nodes, where both
differences do.

Cosine waves solve the even plate under an even light exactly. That preconditions conjugate
gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.fields import Field
from lunar_runtime.refinement.thin_plate import second_differences, second_differences_back

_SOLVED = 1e-12  # of the first residual


class Tilt(NamedTuple):
    """What brightness says.

    Attributes:
        right: (H - 1, W - 1) brightness by a step of the departure to the right, a pixel.
        down: (H - 1, W - 1) likewise down.
        information: (H - 1, W - 1) of the brightness: one over its variance; 0 = none.
    """

    right: Field
    down: Field
    information: Field

    def of(self, e: Field) -> Field:
        """The brightness of a departure."""
        to_right, to_down = steps(e)
        to_right *= self.right
        to_down *= self.down
        to_right += to_down
        return to_right

    def pull(self, brightness: Field) -> Field:
        """The transpose of `of`, weighted by the information."""
        weighted = self.information * brightness
        return _steps_back(self.right * weighted, self.down * weighted)


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
        self._tilts = tilts
        stiff = np.float32(stiffness) / compliance
        self._xx, self._yy = stiff[:, 1:-1], stiff[1:-1]
        self._xy = 2 * corners(stiff)
        self._weight = np.ascontiguousarray(weight, np.float32)
        self._inverse = _inverse_of_even(weight, float(np.median(stiff)), tilts)

    def correction(
        self, residuals: Sequence[Field], iterations: int, taken: Field | None = None
    ) -> Field:
        """(H, W) the correction that residual brightnesses, (H - 1, W - 1), ask for.

        Args:
            residuals: Less the brightness of the surface, one a light.
            iterations: At most.
            taken: (H, W) of a correction that the surface has already: the plate resists both
                together; None = 0.
        """
        r = np.zeros_like(self._weight) if taken is None else -self._resistance(taken)
        for tilt, residual in zip(self._tilts, residuals, strict=True):
            r += tilt.pull(residual)
        f = np.zeros_like(r)
        z = self._preconditioned(r)
        p = z.copy()
        size = first = float(np.vdot(r, z))
        for _ in range(iterations):
            if not size > _SOLVED * first:
                break
            bent = self._apply(p)
            step = size / float(np.vdot(p, bent))
            cv2.scaleAdd(p, step, f, f)
            cv2.scaleAdd(bent, -step, r, r)
            z = self._preconditioned(r)
            last, size = size, float(np.vdot(r, z))
            p = np.asarray(cv2.scaleAdd(p, size / last, z), np.float32)
        return f

    def _apply(self, e: Field) -> Field:
        total = self._resistance(e)
        for tilt in self._tilts:
            total += tilt.pull(tilt.of(e))
        return total

    def _resistance(self, e: Field) -> Field:
        """What measurements and stiffness hold against a correction."""
        xx, yy, xy = second_differences(e)
        xx *= self._xx
        yy *= self._yy
        xy *= self._xy
        total = second_differences_back(xx, yy, xy, e.shape)
        cv2.accumulateProduct(self._weight, e, total)
        return total

    def _preconditioned(self, residual: Field) -> Field:
        height, width = residual.shape
        waves = cv2.dct(np.pad(residual, ((0, height % 2), (0, width % 2))))
        waves = cv2.dct(waves * self._inverse, flags=cv2.DCT_INVERSE)
        return np.asarray(waves[:height, :width], np.float32)


def corners(values: Field) -> Field:
    """(H - 1, W - 1) means of two by two neighbours."""
    rows = values[1:] + values[:-1]
    return np.asarray((rows[:, 1:] + rows[:, :-1]) * np.float32(0.25))


def steps(values: Field) -> tuple[Field, Field]:
    """(H - 1, W - 1) steps to the right and down, means of two neighbours."""
    falling, rising = values[1:, 1:] - values[:-1, :-1], values[:-1, 1:] - values[1:, :-1]
    for change in (falling, rising):
        change *= np.float32(0.5)
    right = falling + rising
    falling -= rising
    return right, falling


def _steps_back(right: Field, down: Field) -> Field:
    """The transpose of `steps`."""
    total = np.zeros((right.shape[0] + 1, right.shape[1] + 1), np.float32)
    falling, rising = right + down, right - down
    for change in (falling, rising):
        change *= np.float32(0.5)
    total[1:, 1:] += falling
    total[:-1, :-1] -= falling
    total[:-1, 1:] += rising
    total[1:, :-1] -= rising
    return total


def _inverse_of_even(weight: Field, stiffness: float, tilts: Sequence[Tilt]) -> Field:
    """(H, W), padded to even sides: over cosine waves, of the plate whose fields are even."""
    height, width = (side + side % 2 for side in weight.shape)
    known = np.logical_or.reduce([tilt.information > 0 for tilt in tilts])
    least = 1e-12 * stiffness
    if not known.any():
        return np.full((height, width), 1 / stiffness, np.float32)
    even = float(np.median(weight[:-1, :-1][known]))
    along, across = (
        sum(float(np.mean((tilt.information * by * by)[known])) for tilt, by in pairs)
        for pairs in ([(t, t.right) for t in tilts], [(t, t.down) for t in tilts])
    )
    wave_x, wave_y = (2 - 2 * np.cos(np.pi * np.arange(side) / side) for side in (width, height))
    x, y = wave_x[None], wave_y[:, None]
    operator = even + stiffness * (x + y) ** 2
    operator += along * x * (1 - y / 4) + across * y * (1 - x / 4)
    return np.asarray(1 / np.maximum(operator, least), np.float32)
