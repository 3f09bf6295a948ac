"""Areas at the top of the range: their true brightness, and so their shape, is not in the image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.masking.outlines import square

_LEAST_PX = 5  # a square of this side: less is carried by the ground around it
_TOP_8_BIT = 253  # of JPEG's 255
_BLOOM_PX = 1


def saturated_areas(values: NDArray[Any], top: float) -> NDArray[np.bool_] | None:
    """Where an image stays at the top of its range for some pixels.

    Args:
        values: (h, w), any type.
        top: Largest of the valid ones.

    Returns:
        (h, w) bool; None where nothing is.
    """
    if values.dtype == np.uint8:
        if top < _TOP_8_BIT:
            return None
        top = _TOP_8_BIT
    full = (values >= top).astype(np.uint8)
    areas = cv2.morphologyEx(full, cv2.MORPH_OPEN, np.ones((_LEAST_PX, _LEAST_PX), np.uint8))
    if not areas.any():
        return None
    return cv2.dilate(areas, square(_BLOOM_PX)) > 0
