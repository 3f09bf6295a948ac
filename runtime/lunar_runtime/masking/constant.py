"""Areas of one exact value that no ground has: wedges, frames of scans, lost lines and blocks."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.masking.outlines import Hull, border_areas, square

_RUN_PX = 16  # along the border: below, no area is worth masking
_LEAST_SHARE = 1e-3
# Shadows of exactly 0 reach .56, saturated ground .63 (76 clean images), at a thousandth and a
# quarter of a per cent of the image; wedges and frames .9 and more.
_STRAIGHT = 0.75
# A wedge of 0 beside a shadow of 0 is one ragged area with it. What a straight cut takes of it is
# the wedge: .97 of the cut's edge lies on the ground in such a case, .60 and less (1600 images and
# crops) where a shadow is cut along so much of the image.
_LEAST_EDGE = 0.25
_LEAST_CONTACT = 0.75
# Lines and blocks that a transmission lost. Of 1380 clean images, crops and resampled ones no row
# or column is one value. JPEG's blocks of one value are full rectangles too, up to 26 x 13 px; none
# of 24 px a side is full.
_WINDOW_PX = 9
_BLOCK_PX = 24
_LEAST_FULL = 0.95
_MOST_CONSTANTS = 8
_BLEND_PX = 2  # interpolation mixes the constant with the ground beside it


def constant_areas(
    values: NDArray[Any], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Where an image is one value from its border on with a straight inner edge, or in a rectangle.

    Args:
        values: (h, w), any type.
        valid: (h, w) bool, what may be looked at; None = all.

    Returns:
        (h, w) bool, two pixels of the edge included; None where nothing is.
    """
    found = _lost(values, valid)
    for constant in _border_constants(values, valid):
        equal = np.asarray(values == constant)
        if valid is not None:
            equal &= valid
        areas = list(border_areas(equal, _LEAST_SHARE * values.size))
        hull = Hull.of(~equal) if areas else None
        for area in areas:
            if area.straight >= _STRAIGHT:
                found |= area.pixels
            elif hull is not None:
                cut = hull.cut(area.pixels)
                long_enough = cut.length_px >= _LEAST_EDGE * min(values.shape)
                if long_enough and cut.contact >= _LEAST_CONTACT:
                    found |= cut.pixels
    if not found.any():
        return None
    return cv2.dilate(found.astype(np.uint8), square(_BLEND_PX)) > 0


def _lost(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Whole rows and columns of one value, and upright rectangles; nothing of what is masked."""
    found = np.zeros(values.shape, bool)
    found[(values == values[:, :1]).all(axis=1)] = True
    found[:, (values == values[:1]).all(axis=0)] = True
    if valid is not None:
        found &= valid
    window = np.ones((_WINDOW_PX, _WINDOW_PX), np.uint8)
    even = cv2.dilate(values, window) == cv2.erode(values, window)
    if valid is not None:
        even &= cv2.erode(valid.astype(np.uint8), window) > 0
    constants, counts = np.unique(values[even], return_counts=True)
    enough = counts >= (_BLOCK_PX - _WINDOW_PX + 1) ** 2
    for constant in constants[enough][np.argsort(-counts[enough])][:_MOST_CONSTANTS]:
        areas = cv2.dilate((even & (values == constant)).astype(np.uint8), window)
        count, labels, table, _ = cv2.connectedComponentsWithStats(areas, connectivity=4)
        for label in range(1, count):
            x, y, width, height, size = (int(value) for value in table[label])
            if min(width, height) >= _BLOCK_PX and size >= _LEAST_FULL * width * height:
                box = np.s_[y : y + height, x : x + width]
                found[box] |= labels[box] == label
    return found


def _border_constants(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> list[Any]:
    """Values that repeat `_RUN_PX` times in a row along the border."""
    constants: set[Any] = set()
    sides = (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1])
    for side in sides:
        edge = values[side] if valid is None else values[side][valid[side]]
        if not edge.size:
            continue
        changes = np.flatnonzero(edge[1:] != edge[:-1])
        starts = np.r_[0, changes + 1]
        lengths = np.diff(np.r_[starts, len(edge)])
        constants.update(edge[starts[lengths >= _RUN_PX]].tolist())
    return sorted(constants)
