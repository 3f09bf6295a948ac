"""Cells of a map with what all views together say of each; finer cells from coarser and back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.ground_grid import highest_in

#: Planes in front of the draws': see `Layer`.
PLANES = 7
_HEIGHT, _OUT, _WEIGHT, _SQUARES, _SPACING, _VOTES, _DISPUTED = range(PLANES)
_LEAST_PARTS = 3  # of the four parts of a cell that must be known for the cell to be
_SURE_VOTES = 2  # views that a disputed cell needs more on its side than against it


@dataclass(frozen=True)
class Layer:
    """A block of cells, as one array: what a tile keeps.

    Attributes:
        data: (7 + N, R, C) float32. Height in metres; how far the ground stands out of the cell
            above its slope; sum of the weights; sum of their squares; distance of neighbouring
            pixels on the ground, of the view that saw it best; views that agree less those that
            do not; 1 where a view ever disagreed; and N draws of the height's error in metres. All
            zero where nothing was seen.
    """

    data: Field

    @staticmethod
    def empty(draws: int, rows: int, columns: int) -> Layer:
        """Of ground that nobody saw."""
        return Layer(np.zeros((PLANES + draws, rows, columns), np.float32))

    @property
    def height(self) -> Field:
        """(R, C) view."""
        return np.asarray(self.data[_HEIGHT])

    @property
    def out(self) -> Field:
        """(R, C) view: what stands out of a cell."""
        return np.asarray(self.data[_OUT])

    @property
    def weight(self) -> Field:
        """(R, C) view."""
        return np.asarray(self.data[_WEIGHT])

    @property
    def squares(self) -> Field:
        """(R, C) view: sum of the weights' squares."""
        return np.asarray(self.data[_SQUARES])

    @property
    def spacing(self) -> Field:
        """(R, C) view, metres."""
        return np.asarray(self.data[_SPACING])

    @property
    def votes(self) -> Field:
        """(R, C) view."""
        return np.asarray(self.data[_VOTES])

    @property
    def disputed(self) -> Field:
        """(R, C) view: 0 or 1."""
        return np.asarray(self.data[_DISPUTED])

    @property
    def errors(self) -> Field:
        """(N, R, C) view, metres."""
        return np.asarray(self.data[PLANES:])

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(R, C) where a view saw something."""
        return np.asarray(self.weight > 0)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(R, C) where the views agree: a dispute needs a majority of two."""
        return np.asarray(self.votes >= np.where(self.disputed > 0, _SURE_VOTES, 1))

    def views(self) -> Field:
        """(R, C) as how many equally good views the cell counts; 0 where nobody saw it."""
        return np.asarray(self.weight**2 / np.maximum(self.squares, np.float32(1e-30)))

    def overlaid(self, top: Layer) -> Layer:
        """This, and where the other one saw anything, that."""
        return Layer(np.where(top.seen, top.data, self.data))

    def coarser(self) -> Layer:
        """Cells twice as wide (R and C even): means of their known parts, three of four or more."""
        parts = _fours(self.known.astype(np.float32))
        count = parts.sum(axis=0)
        data = (_fours(self.data) * parts).sum(axis=-3) / np.maximum(count, np.float32(1))
        data[:, count < _LEAST_PARTS] = 0
        layer = Layer(np.asarray(data, np.float32))
        tops = np.where(self.known, self.height + self.out, np.float32(np.nan))
        height = np.where(layer.seen, layer.height, np.float32(np.nan))
        layer.out[:] = np.nan_to_num(highest_in(tops, height, 2) - height)
        layer.votes[layer.seen] = np.maximum(layer.votes[layer.seen], 1)
        layer.disputed[:] = 0
        # Where views saw enough parts and dispute them, what is coarser knows no better.
        seen = _fours(self.seen.astype(np.float32)).sum(axis=0)
        layer.weight[(seen >= _LEAST_PARTS) & (count < _LEAST_PARTS)] = 1
        return layer

    def finer(self) -> Layer:
        """Cells half as wide: bilinear between known ones."""
        size = self.data.shape[2] * 2, self.data.shape[1] * 2
        known = self.known.astype(np.float32)
        weight = cv2.resize(known, size, interpolation=cv2.INTER_LINEAR)
        # Beyond the outermost known centres nothing is known: a quarter cell is no ground lost.
        there = np.repeat(np.repeat(known, 2, axis=0), 2, axis=1) > 0
        data = np.empty((len(self.data), size[1], size[0]), np.float32)
        scale = np.where(there, 1 / np.maximum(weight, np.float32(1e-6)), 0).astype(np.float32)
        for plane, into in zip(self.data, data, strict=True):
            cv2.resize(plane * known, size, dst=into, interpolation=cv2.INTER_LINEAR)
            into *= scale
        layer = Layer(data)
        layer.votes[there] = np.maximum(layer.votes[there], 1)
        layer.disputed[:] = 0
        return layer


def _fours(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(…, 4, R/2, C/2) of (…, R, C): the four parts of every cell of twice the width."""
    rows = values.shape[-2] // 2, 2, values.shape[-1] // 2, 2
    split = values.reshape(*values.shape[:-2], *rows)
    moved = np.moveaxis(split, (-3, -1), (-4, -3))  # (…, 2, 2, R/2, C/2)
    return moved.reshape(*values.shape[:-2], 4, rows[0], rows[2])
