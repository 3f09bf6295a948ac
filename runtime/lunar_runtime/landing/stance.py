"""How a vehicle stands: the plane through the pads that carry it, for every heading.

Convention: a plane is `height = centre + a · x + b · y` with x and y from the vehicle's axis,
metres, x along columns and y against rows. `a` and `b` have no unit.

Three pads carry always. Of a rigid square's four, three do: the diagonal whose pads lie higher in
the mean carries with both of its pads, and the vehicle tips to one pad of the other diagonal or to
the other. Both ways to stand are planes here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.lander import Lander

#: In place of a height where there is none, as OpenCV's maxima know no NaN.
NOWHERE = np.float32(-1e9)
_BELOW_ALL = np.float32(-1e8)
# Headings within a turn after which the vehicle looks the same: 22.5 and 24 degrees apart. Twice
# as many raise the worst slope of rough ground by 2 % in the median.
_HEADINGS = {3: 5, 4: 4}


class Planes(NamedTuple):
    """Ways to stand, (K, r, c) float32 each; NaN where a pad has no ground."""

    a: Field
    b: Field
    centre: Field

    def slope(self, level: tuple[float, float] = (0.0, 0.0)) -> Field:
        """(K, r, c) tangents of the planes' slopes.

        Args:
            level: `a` and `b` of the level plane that they are measured from.
        """
        x, y = (np.float32(part) for part in level)
        if not (x or y):
            return np.asarray(np.hypot(self.a, self.b), np.float32)
        along, across = self.a - x, self.b - y
        aside = self.a * y - self.b * x
        tangent = np.sqrt(along * along + across * across + aside * aside)
        return np.asarray(tangent / (1 + self.a * x + self.b * y), np.float32)


class Centres(NamedTuple):
    """The cells at which the vehicle is tried: every so many, from the first on.

    Attributes:
        shape: Rows and columns of the grid.
        stride: Cells from one to the next.
    """

    shape: tuple[int, int]
    stride: int

    @property
    def size(self) -> tuple[int, int]:
        """How many, along rows and columns."""
        rows, columns = (-(-side // self.stride) for side in self.shape)
        return rows, columns

    def at(self, values: Field, row: float, column: float, outside: float) -> Field:
        """(r, c) of a grid's values so many cells from every centre, bilinear."""
        rows, columns = self.size
        where = np.array([[self.stride, 0, column], [0, self.stride, row]], np.float64)
        return np.asarray(
            cv2.warpAffine(
                values, where, (columns, rows), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT, borderValue=float(outside),
            ),
            np.float32,
        )  # fmt: skip


def pad_directions(pads: int) -> NDArray[np.float64]:
    """(headings, pads, 2) unit vectors x, y of the pads from the axis."""
    headings = _HEADINGS[pads]
    first = np.arange(headings) * (2 * math.pi / pads / headings)
    angle = first[:, None] + np.arange(pads) * (2 * math.pi / pads)
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def pad_ground(height: Field, lander: Lander, cell_m: float) -> Field:
    """(R, C) height that a pad rests on, were its centre there: the highest under it."""
    filled = np.where(np.isfinite(height), height, NOWHERE)
    return np.asarray(cv2.dilate(filled, disc(lander.pad_diameter_m / cell_m)), np.float32)


def pad_heights(ground: Field, lander: Lander, cell_m: float, centres: Centres) -> Field:
    """(headings, pads, r, c) of a map under the pads; NaN where it is `NOWHERE`."""
    radius = lander.pad_radius_m / cell_m
    found = np.stack(
        [
            np.stack([centres.at(ground, -y * radius, x * radius, NOWHERE) for x, y in pads])
            for pads in pad_directions(lander.pads)
        ]
    )
    found[found < _BELOW_ALL] = np.nan
    return found


def stand(heights: Field, radius_m: float) -> Planes:
    """The planes on which a vehicle comes to rest.

    Args:
        heights: (headings, 3 or 4, r, c) under the pads, metres.
        radius_m: From the axis to the pads.

    Returns:
        One plane for each heading of three pads, two of four.
    """
    directions = pad_directions(heights.shape[1]).astype(np.float32)
    if heights.shape[1] == 3:
        factor = np.float32(2 / (3 * radius_m))
        a, b = (factor * np.einsum("kn,kn...->k...", directions[..., i], heights) for i in (0, 1))
        return Planes(a, b, heights.mean(axis=1))
    return _square(heights, directions[:, 0], np.float32(2 * radius_m))


def _square(heights: Field, along: NDArray[np.float32], diagonal: np.float32) -> Planes:
    one, two, three, four = (heights[:, i] for i in range(4))
    first, second = one + three, two + four
    high = first >= second  # the first diagonal carries
    ways = []
    for u_low, v_high in (
        ((2 * one - second), (2 * two - first)),
        ((second - 2 * three), (first - 2 * four)),
    ):
        u = np.where(high, one - three, u_low) / diagonal
        v = np.where(high, v_high, two - four) / diagonal
        ways.append((u, v))
    u, v = (np.concatenate(parts) for parts in zip(*ways, strict=True))
    cosine, sine = (np.concatenate([along[:, i]] * 2)[:, None, None] for i in (0, 1))
    centre = np.concatenate([np.maximum(first, second) / 2] * 2)
    return Planes(u * cosine - v * sine, u * sine + v * cosine, centre)


def disc(diameter: float) -> NDArray[np.uint8]:
    """A structuring element: cells whose centres lie within a circle around the middle one."""
    radius = diameter / 2
    reach = max(0, math.floor(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(x * x + y * y <= max(radius, 0.5) ** 2, np.uint8)
