"""Single pixels without a measurement, scattered over the ground: holes that neighbours close.

A special pixel here and there is no hole in the ground. Matches and shading look at patches, and
of a hundredth of scattered pixels every fourth patch has one. So they are filled from those around
for whatever looks at patches. They get no result of their own.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_SQUARE = np.ones((3, 3), np.uint8)  # what holes must be narrower than


def without_specks(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(h, w) the same with holes of up to two pixels closed.

    Args:
        valid: (h, w) bool.
    """
    # The border is none of what is closed.
    closed = cv2.morphologyEx(
        valid.astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE, borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(closed > 0)


def fill_specks(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
    """Give specks the mean of the valid pixels beside them, in place.

    Args:
        pixels: (h, w) grey levels.
        valid: (h, w) bool.
    """
    specks = without_specks(valid) & ~valid
    if not specks.any():
        return
    known = valid.astype(np.float32)
    total = cv2.boxFilter(known, -1, (5, 5), normalize=False)
    mean = cv2.boxFilter(pixels * known, -1, (5, 5), normalize=False) / np.maximum(total, 1)
    pixels[specks] = np.rint(mean[specks]).astype(pixels.dtype)
