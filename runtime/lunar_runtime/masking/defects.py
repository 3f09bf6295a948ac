"""Hot and dead pixels of a detector: single values that no optics could have made.

Ground has some too: the rim of a crater that is two pixels wide. But of those most are faint, and
few are far from all around them. Of a detector's defects most are.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_STEP = 4
_PERCENTILES = (0.1, 99.9)
# Distances from the median of 3 × 3 pixels, shares of the image's range.
_FAINT, _REPAIRED, _FAR = 0.08, 0.1, 0.16
# Of 96 clean images of 512 px the worst have 0.0006 of their pixels that far, which are 0.15 of the
# faint ones; of 614 smaller ones, whose rims are sharper, 0.0028, and 0.38 of them. With 0.1 % of
# black and white pixels 82 of the 96 are beyond both, with 0.3 % all.
_LEAST_SHARE, _LEAST_FAR = 0.0005, 0.5
_MOST_SHARE = 0.07  # of the image: above, it is noise, and no ground
_MOST_ALIKE = 1  # of the eight neighbours: defects sit side by side by chance


def defects(values: NDArray[Any], valid: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
    """Pixels that stand out from all around them, where an image has more than ground has.

    Args:
        values: (h, w) uint8, uint16 or float32, before any stretch; finite.
        valid: (h, w) bool, what may be looked at; None = all.

    Returns:
        (h, w) bool; None where there are none, or no more than of ground.
    """
    low, high = (float(v) for v in np.percentile(values[::_STEP, ::_STEP], _PERCENTILES))
    median = around(values)
    candidates = cv2.absdiff(values, median) > _FAINT * (high - low)
    if valid is not None:
        candidates &= valid
    rows, columns = np.nonzero(candidates)
    if rows.size < _LEAST_SHARE * values.size:
        return None
    middle = median[rows, columns].astype(np.float32)
    off = values[rows, columns].astype(np.float32) - middle
    alone = _alone(values, rows, columns, middle, off)
    rows, columns, off = rows[alone], columns[alone], off[alone]
    if rows.size > _MOST_SHARE * values.size:
        return None
    share = np.abs(off) / max(high - low, 1e-30)
    far = int(np.count_nonzero(share > _FAR))
    if far < max(_LEAST_SHARE * values.size, _LEAST_FAR * rows.size):
        return None
    found = np.zeros(values.shape, np.bool_)
    repaired = share > _REPAIRED
    found[rows[repaired], columns[repaired]] = True
    return found


def around(values: NDArray[Any]) -> NDArray[Any]:
    """(h, w) median of each pixel and its eight neighbours."""
    return np.asarray(cv2.medianBlur(values, 3))


def _alone(
    values: NDArray[Any],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    middle: NDArray[np.float32],
    off: NDArray[np.float32],
) -> NDArray[np.bool_]:
    """(N,) bool: hardly a neighbour is half as far from the median, on the same side."""
    padded = cv2.copyMakeBorder(values, 1, 1, 1, 1, cv2.BORDER_REFLECT_101)
    alike = np.zeros(rows.shape, np.int64)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if down or right:
                beside = padded[1 + rows + down, 1 + columns + right].astype(np.float32) - middle
                alike += beside * np.sign(off) > 0.5 * np.abs(off)
    return np.asarray(alike <= _MOST_ALIKE)
