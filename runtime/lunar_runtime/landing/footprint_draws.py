"""What random errors of the surface and of up do to a footprint: its slope and its roughness.

Draws are evaluated at every second of the tried centres each way: the errors are smoother than the
ground. An error of up tilts all ground alike. It turns the planes on which the vehicle stands, and
lifts nothing out of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.roughness import Roughness
from lunar_runtime.landing.stance import Centres, Planes, pad_heights, stand

_THIN = 2
_TILTS = 8  # where there are no draws: as many as a refined pair has draws


class FootprintDraws:
    """A vehicle on every draw of the ground."""

    def __init__(
        self,
        errors: Field,
        known: NDArray[np.bool_],
        lander: Lander,
        cell_m: float,
        centres: Centres,
        pads: Field,
    ) -> None:
        """Let the vehicle stand on every draw.

        Args:
            errors: (N, R, C) metres, of the heights.
            known: (R, C) bool, where there is ground.
            lander: The vehicle.
            cell_m: Side of a cell.
            centres: Where it is tried.
            pads: (headings, pads, r, c) heights under its pads without errors.
        """
        self._cell_m = cell_m
        self._size = centres.size
        self._centres = Centres(centres.shape, centres.stride * _THIN)
        filled = _filling(known, lander.footprint_diameter_m / cell_m)
        there = pads[..., ::_THIN, ::_THIN]

        def drawn(error: Field) -> tuple[Field, Planes]:
            error = filled(error)
            moved = there + pad_heights(error, lander, cell_m, self._centres)
            return error, stand(moved, lander.pad_radius_m)

        self._draws = at_once(drawn, errors)

    def slope_sigma_deg(self, slope: Field, planes: Planes, up_deg: float = 0.0) -> Field:
        """(r, c) expected error of the worst slope.

        Every draw is seen with one tilt of up and with its opposite, so that the surface's errors
        and up's do not mix. The tilts lie evenly on a circle, whose mean square is exact.

        Args:
            slope: (r, c) its tangent without errors; NaN = unknown.
            planes: All ways to stand without errors.
            up_deg: Root mean square of up's angle to gravity.
        """
        thin = slope[::_THIN, ::_THIN]
        drawn = [one for _, one in self._draws]
        tilts = [(0.0, 0.0)] * len(drawn)
        if up_deg > 0:
            thinned = Planes(*(plane[:, ::_THIN, ::_THIN] for plane in planes))
            drawn = drawn or [thinned] * _TILTS
            tilts = _circle(len(drawn), math.tan(math.radians(up_deg)))
            drawn = drawn * 2

        def square(draw: tuple[Planes, tuple[float, float]]) -> Field:
            with np.errstate(invalid="ignore"):
                return np.asarray((draw[0].slope(draw[1]).max(axis=0) - thin) ** 2)

        squares = at_once(square, zip(drawn, tilts, strict=True))
        with np.errstate(invalid="ignore"):
            return self._spread(squares, np.degrees(1 / (1 + thin**2)))

    def roughness_sigma_m(self, found: Roughness, planes: Planes) -> Field:
        """(r, c) expected error of the height of the cell that stands out of its plane.

        Args:
            found: The worst way to stand without errors.
            planes: All ways without errors.
        """
        way, down, right = (one[::_THIN, ::_THIN] for one in (found.way, found.row, found.column))
        y, x = np.mgrid[: way.shape[0], : way.shape[1]]
        last_row, last_column = (side - 1 for side in self._centres.shape)
        rows = np.clip(y * self._centres.stride + down, 0, last_row)
        columns = np.clip(x * self._centres.stride + right, 0, last_column)
        aside_x, aside_y = right * np.float32(self._cell_m), -down * np.float32(self._cell_m)

        def there(one: Planes, thin: int = 1) -> Field:
            at = way, y * thin, x * thin
            return np.asarray(one.centre[at] + one.a[at] * aside_x + one.b[at] * aside_y)

        before = there(planes, _THIN)

        def square(draw: tuple[Field, Planes]) -> Field:
            error, one = draw
            return np.asarray((error[rows, columns] - (there(one) - before)) ** 2)

        return self._spread(at_once(square, self._draws), np.float32(1))

    def _spread(self, squares: list[Field], factor: Field | np.float32) -> Field:
        """(r, c) root mean square over the draws; where one is unknown, as around it."""
        if not squares:
            return np.zeros(self._size, np.float32)
        sigma = np.sqrt(np.mean(squares, axis=0)) * factor
        lost = ~np.isfinite(sigma)
        if lost.any() and not lost.all():
            value, weight = np.where(lost, 0, sigma), (~lost).astype(np.float32)
            around = cv2.blur(value, (3, 3)) / np.maximum(cv2.blur(weight, (3, 3)), 1e-6)
            known = cv2.dilate(weight, np.ones((3, 3), np.uint8)) > 0
            # Nobody knows around it either: as bad as it gets.
            sigma = np.where(lost, np.where(known, around, np.nanmax(sigma)), sigma)
        rows, columns = self._size
        fine = np.repeat(np.repeat(sigma, _THIN, axis=0), _THIN, axis=1)[:rows, :columns]
        return np.asarray(fine, np.float32)


def _circle(count: int, radius: float) -> list[tuple[float, float]]:
    """Coordinates of so many places on half of a circle, evenly, and of those opposite to them."""
    turns = (math.pi * number / count for number in range(count))
    half = [(radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]
    return half + [(-x, -y) for x, y in half]


def _filling(known: NDArray[np.bool_], across: float) -> Callable[[Field], Field]:
    """From a draw to one whose holes are as the known cells around them."""
    if known.all():
        return lambda one: one
    size = 2 * math.ceil(across / 2) + 1
    weight = np.maximum(cv2.blur(known.astype(np.float32), (size, size)), np.float32(1e-6))

    def filled(one: Field) -> Field:
        value = np.where(known, one, np.float32(0))
        around = cv2.blur(value, (size, size)) / weight
        return np.asarray(np.where(known, value, around), np.float32)

    return filled
