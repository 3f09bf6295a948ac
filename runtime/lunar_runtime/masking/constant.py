"""Areas of one exact value from the border on: wedges after rectification, frames of scans."""

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
_BLEND_PX = 2  # interpolation mixes the constant with the ground beside it


def constant_areas(
    values: NDArray[Any], valid: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_] | None:
    """Where an image is one value from its border on, with a straight inner edge.

    Args:
        values: (h, w), any type.
        valid: (h, w) bool, what may be looked at; None = all.

    Returns:
        (h, w) bool, two pixels of the edge included; None where nothing is.
    """
    found = np.zeros(values.shape, bool)
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
