"""The highest ground above the planes on which a vehicle stands, inside its footprint."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.stance import NOWHERE, Centres, Planes, disc

_AT_ONCE = 1 << 18  # heights of one thread's piece: 1 MiB stays in a core's cache


class Roughness(NamedTuple):
    """The worst way to stand at every tried centre.

    Attributes:
        height_m: (r, c) float32 of the highest ground above the plane, square to it; at least 0,
            NaN where nothing was tried or nothing is known.
        way: (r, c) int32, which plane that was.
        row: (r, c) int32 of the cell that stands out, in cells from the centre, down.
        column: (r, c) int32, to the right.
    """

    height_m: Field
    way: NDArray[np.int32]
    row: NDArray[np.int32]
    column: NDArray[np.int32]


def roughness(
    height: Field,
    planes: Planes,
    footprint_cells: float,
    cell_m: float,
    centres: Centres,
    tried: NDArray[np.bool_],
) -> Roughness:
    """How far ground stands out of the worst plane.

    Args:
        height: (R, C) metres; NaN = unknown, which never stands out.
        planes: (K, r, c) at the centres.
        footprint_cells: Its diameter.
        cell_m: Side of a cell.
        centres: Where the vehicle is tried.
        tried: (r, c) bool, the centres that matter: the others are left out.
    """
    within = disc(footprint_cells) > 0
    reach = within.shape[0] // 2
    rows, columns = (np.asarray(at, np.int32) - reach for at in np.nonzero(within))
    ground = np.pad(np.where(np.isfinite(height), height, NOWHERE), reach, constant_values=NOWHERE)
    at_row, at_column = np.nonzero(tried)
    # Plane at every cell of the footprint: a (K, 2) by (2, cells) product for each centre.
    reaches = np.stack([columns * np.float32(cell_m), -rows * np.float32(cell_m)]).astype(
        np.float32
    )
    offsets = (rows + reach) * ground.shape[1] + columns + reach
    starts = at_row * centres.stride * ground.shape[1] + at_column * centres.stride
    flat = ground.ravel()
    count = len(planes.a)

    def piece(part: slice) -> tuple[Field, NDArray[np.intp], NDArray[np.intp]]:
        patch = flat[starts[part, None] + offsets]  # (n, cells)
        where = (slice(None), at_row[part], at_column[part])
        best = np.full(len(patch), -np.inf, np.float32)
        best_way = np.zeros(len(patch), np.intp)
        best_cell = np.zeros(len(patch), np.intp)
        a, b, centre = (plane[where] for plane in planes)
        for k in range(count):
            above = patch - np.stack([a[k], b[k]], axis=1) @ reaches
            cell = np.argmax(above, axis=1)
            most = np.take_along_axis(above, cell[:, None], axis=1)[:, 0] - centre[k]
            most = most / np.sqrt(1 + a[k] ** 2 + b[k] ** 2)
            better = most > best
            best, best_way, best_cell = (
                np.where(better, new, old)
                for new, old in ((most, best), (k, best_way), (cell, best_cell))
            )
        return best, best_way, best_cell

    step = max(1, _AT_ONCE // len(offsets))
    found = at_once(piece, (slice(i, i + step) for i in range(0, len(starts), step)))
    result = Roughness(
        np.full(centres.size, np.nan, np.float32),
        *(np.zeros(centres.size, np.int32) for _ in range(3)),
    )
    if found:
        best, way, cell = (np.concatenate([one[i] for one in found]) for i in range(3))
        known = best > NOWHERE / 2
        result.height_m[at_row, at_column] = np.where(known, np.maximum(best, 0), np.nan)
        result.way[at_row, at_column] = way
        result.row[at_row, at_column] = rows[cell]
        result.column[at_row, at_column] = columns[cell]
    return result
