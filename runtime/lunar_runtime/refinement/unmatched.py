"""Ground that both images show with its detail, and that matches nowhere.

Shadow and flat ground match poorly as there is nothing to match. Where both images have contrast
and still do not correlate through the surface, one of them shows something else: blocks of an older
frame, a plume, what moved.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, half

# On half of the resolution.
_AROUND_PX = 2.0  # sigma of a contrast's surroundings
_CONTRAST_DN = 4.0  # deviation of the grey levels around
_LEAST_ALIKE = 0.4  # correlation of both images around a pixel
_EDGE = np.ones((7, 7), np.uint8)  # correlations reach as far
_PLACE = np.ones((5, 5), np.uint8)  # single pixels do not match by chance


def unmatched(left: Field, right: Field, correlation: Field, inside: NDArray[np.bool_]) -> float:
    """Share of the view that shows detail in both images, another one in each.

    Args:
        left: (H, W) grey levels.
        right: (H, W) of the right image, seen through the surface.
        correlation: (H, W) of both, around each pixel.
        inside: (H, W) where both show the ground.
    """
    known = half(inside.astype(np.float32)) == 1
    here = half(left)
    there = np.where(known, half(np.where(inside, right, 0)), 0)
    whole = cv2.erode(known.astype(np.uint8), _EDGE) > 0
    other = whole & (half(correlation) < _LEAST_ALIKE)
    for grey in (here, there):
        other &= _contrast(grey) > _CONTRAST_DN
    places = cv2.morphologyEx(other.astype(np.uint8), cv2.MORPH_OPEN, _PLACE)
    return float(np.mean(places))


def _contrast(grey: Field) -> Field:
    mean = blurred(grey, _AROUND_PX)
    return np.asarray(np.sqrt(np.maximum(blurred(grey * grey, _AROUND_PX) - mean * mean, 0)))
