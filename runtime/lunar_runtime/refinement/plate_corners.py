"""What lives on the corners between four nodes of a plate: steps, tilts, and their brightness."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.fields import Field

_AROUND = np.array([0.25, 0.5, 0.25], np.float32)  # of a coarse corner, the fine ones


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

    @property
    def diagonals(self) -> tuple[Field, Field]:
        """(H - 1, W - 1) brightness by the differences along both of a corner's diagonals."""
        right, down = np.float32(0.5) * self.right, np.float32(0.5) * self.down
        return right + down, right - down

    def of(self, e: Field) -> Field:
        """The brightness of a departure."""
        return brightness_of(around(e), *self.diagonals)


def corners(values: Field) -> Field:
    """(H - 1, W - 1) means of two by two neighbours."""
    rows = values[1:] + values[:-1]
    return np.asarray((rows[:, 1:] + rows[:, :-1]) * np.float32(0.25))


def coarse_corners(values: Field) -> Field:
    """(H / 2 - 1, W / 2 - 1) means of three by three corners around every coarse one."""
    means = cv2.sepFilter2D(values, cv2.CV_32F, _AROUND, _AROUND)
    return np.ascontiguousarray(means[1:-1:2, 1:-1:2])


def steps(values: Field) -> tuple[Field, Field]:
    """(H - 1, W - 1) steps to the right and down, means of two neighbours."""
    falling, rising = values[1:, 1:] - values[:-1, :-1], values[:-1, 1:] - values[1:, :-1]
    for change in (falling, rising):
        change *= np.float32(0.5)
    right = falling + rising
    falling -= rising
    return right, falling


class Around(NamedTuple):
    """(H - 1, W - 1) the four nodes around every corner: views of all nodes."""

    here: Field
    right: Field
    below: Field
    across: Field


def around(nodes: Field) -> Around:
    """Of (H, W) nodes."""
    return Around(nodes[:-1, :-1], nodes[:-1, 1:], nodes[1:, :-1], nodes[1:, 1:])


def brightness_of(around: Around, falling: Field, rising: Field) -> Field:
    """Of a departure, by its differences along both diagonals."""
    bright = around.across - around.here
    bright *= falling
    other = around.right - around.below
    other *= rising
    bright += other
    return bright


def add_pull(around: Around, brightness: Field, falling: Field, rising: Field) -> None:
    """Add the transpose of `brightness_of`; the brightness is used up."""
    here, right, below, across = around
    pull = brightness * rising
    right += pull
    below -= pull
    brightness *= falling
    across += brightness
    here -= brightness
