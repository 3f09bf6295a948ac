"""The panel of the preview that shows where a vehicle may stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.landing.hazards import HAZARDOUS, SAFE
from lunar_runtime.report.canvas import Panel, number_text

# BGR. Blue and orange are told apart by every eye; what is unknown stays grey.
_SAFE, _HAZARDOUS = (200, 130, 20), (30, 110, 230)
_TINT = 0.45
_SITE, _RIM = (255, 255, 255), (0, 0, 0)


def landing_panel(
    grey: NDArray[np.uint8],
    classes: NDArray[Any],
    sites: Sequence[tuple[float, float]],
    footprint_m: float,
    safe: str,
) -> Panel:
    """The image, blue where safe and orange where hazardous, with the sites in their order.

    Args:
        grey: (H, W) uint8.
        classes: (H, W), see `hazards.CLASSES`.
        sites: Columns and rows, the best first.
        footprint_m: Of the vehicle.
        safe: How much is, in words.
    """
    picture = np.repeat(grey[..., None], 3, -1)
    for value, colour in ((SAFE, _SAFE), (HAZARDOUS, _HAZARDOUS)):
        where = classes == value
        tinted = picture[where] * (1 - _TINT) + np.array(colour) * _TINT
        picture[where] = np.rint(tinted).astype(np.uint8)
    size = max(3, round(max(grey.shape) / 60))
    for number, (x, y) in reversed(list(enumerate(sites, start=1))):
        at = round(x - 0.5), round(y - 0.5)
        for colour, thick in ((_RIM, 3), (_SITE, 1)):
            cv2.circle(picture, at, size, colour, thick, cv2.LINE_AA)
            where = at[0] + size + 2, at[1] + size
            cv2.putText(
                picture, str(number), where, cv2.FONT_HERSHEY_SIMPLEX, size / 20, colour, thick,
                cv2.LINE_AA,
            )  # fmt: skip
    note = f"blue: safe, {safe}; orange: hazard; {number_text(footprint_m)} m wide"
    return Panel("Landing", note, picture)
