"""The panel of the preview that shows where a vehicle may stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.landing.hazards import HAZARDOUS, SAFE
from lunar_runtime.landing.lander import Lander
from lunar_runtime.report.canvas import Panel

# BGR. Blue and orange are told apart by every eye; what is unknown stays grey.
_SAFE, _HAZARDOUS = (200, 130, 20), (30, 110, 230)
_TINT = 0.45
_DRAWN_PX = 512  # of the longer side: on fewer the numbers cannot be read
_SITE, _RIM = (255, 255, 255), (0, 0, 0)


class Box(NamedTuple):
    """Pixels that something covers: left column, upper row, and how many."""

    x: int
    y: int
    width: int
    height: int

    def shared(self, other: Box) -> int:
        """Pixels that both cover."""
        across = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        down = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(across, 0) * max(down, 0)


def landing_panel(
    grey: NDArray[np.uint8],
    classes: NDArray[Any],
    sites: Sequence[tuple[float, float]],
    lander: Lander,
    safe: str,
) -> Panel:
    """The image, blue where safe and orange where hazardous, with the sites in their order.

    Args:
        grey: (H, W) uint8.
        classes: (H, W), see `hazards.CLASSES`.
        sites: Columns and rows, the best first.
        lander: The vehicle.
        safe: How much is, in words.
    """
    picture = np.repeat(grey[..., None], 3, -1)
    for value, colour in ((SAFE, _SAFE), (HAZARDOUS, _HAZARDOUS)):
        where = classes == value
        tinted = picture[where] * (1 - _TINT) + np.array(colour) * _TINT
        picture[where] = np.rint(tinted).astype(np.uint8)
    zoom = max(1, round(_DRAWN_PX / max(grey.shape)))
    picture = np.repeat(np.repeat(picture, zoom, axis=0), zoom, axis=1)
    size = max(3, round(max(picture.shape) / 60))
    circles = [
        Box(round(zoom * x - 0.5) - size, round(zoom * y - 0.5) - size, 2 * size, 2 * size)
        for x, y in sites
    ]
    taken = list(circles)
    for number, circle in enumerate(circles, start=1):
        label = _free_place(circle, str(number), size, taken, picture.shape)
        taken.append(label)
        at, foot = (circle.x + size, circle.y + size), (label.x, label.y + label.height)
        for colour, thick in ((_RIM, 3), (_SITE, 1)):
            cv2.circle(picture, at, size, colour, thick, cv2.LINE_AA)
            cv2.putText(
                picture, str(number), foot, cv2.FONT_HERSHEY_SIMPLEX, size / 20, colour, thick,
                cv2.LINE_AA,
            )  # fmt: skip
    note = f"blue: safe, {safe}; orange: hazardous; grey: unknown"
    limits = (
        f"{lander.size}; safe from P {lander.safe_probability:g}",
        lander.limits,
        "worst heading; as AIAA 2013-5019",
    )
    return Panel("Landing", note, picture, foot=limits)


def _free_place(
    circle: Box, text: str, size: int, taken: Sequence[Box], shape: tuple[int, ...]
) -> Box:
    """Beside a circle, where the text covers least of what is drawn, inside the picture."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size / 20, 1)
    middle = circle.y + (circle.height - height) // 2
    centre = circle.x + (circle.width - width) // 2
    above, below = circle.y - height - 3, circle.y + circle.height + 3
    before, after = circle.x - width - 3, circle.x + circle.width + 3
    places = ((after, middle), (before, middle), (centre, above), (centre, below),
              (after, above), (before, above), (after, below), (before, below))  # fmt: skip
    whole = Box(0, 0, shape[1], shape[0])
    boxes = [Box(x, y, width, height) for x, y in places]

    def covered(box: Box) -> int:
        return sum(box.shared(other) for other in taken) - 2 * box.shared(whole)

    return min(boxes, key=covered)
