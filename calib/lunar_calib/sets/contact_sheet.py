"""All pairs of a calibration set in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.sets.calibration_manifest import PairRecord
from lunar_calib.sets.selection import facts_of, orientation_of

Image = NDArray[np.uint8]

THUMB_PX = 128
"""Side of the square that each image fits into."""

_GAP_PX = 4
_CAPTION_PX = 34
_MARGIN_PX = 14
_COLUMNS = 4
_PAPER = 255
_INK = 40
_LARGEST_SOURCE_NAME = 22


class Thumb(NamedTuple):
    """A pair and both its images, small."""

    record: PairRecord
    left: Image
    right: Image


def shrink(image: Image) -> Image:
    """A grey image inside a square of `THUMB_PX`, its aspect kept."""
    height, width = image.shape
    factor = THUMB_PX / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, size, interpolation=mode)
    square = np.full((THUMB_PX, THUMB_PX), _PAPER, np.uint8)
    square[: small.shape[0], : small.shape[1]] = small
    return square


def draw_contact_sheet(thumbs: Sequence[Thumb]) -> Image:
    """Left beside right of every pair, row by row, each with its name and statistics.

    Args:
        thumbs: Pairs in the order of the set.

    Returns:
        (H, W) uint8.
    """
    cell_width = 2 * THUMB_PX + _GAP_PX + _MARGIN_PX
    cell_height = THUMB_PX + _CAPTION_PX + _MARGIN_PX
    columns = min(_COLUMNS, len(thumbs))
    rows = -(-len(thumbs) // columns)
    shape = (rows * cell_height + _MARGIN_PX, columns * cell_width + _MARGIN_PX)
    sheet = np.full(shape, _PAPER, np.uint8)
    for i, thumb in enumerate(thumbs):
        top = _MARGIN_PX + i // columns * cell_height
        start = _MARGIN_PX + i % columns * cell_width
        for image, x in ((thumb.left, start), (thumb.right, start + THUMB_PX + _GAP_PX)):
            sheet[top : top + THUMB_PX, x : x + THUMB_PX] = image
        for line, text in enumerate(_caption(thumb.record)):
            place = (start, top + THUMB_PX + 13 + 14 * line)
            cv2.putText(sheet, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.36, _INK, 1, cv2.LINE_AA)
    return sheet


def _caption(record: PairRecord) -> tuple[str, str]:
    facts, statistics = facts_of(record), record.statistics
    first = f"{record.name} {record.source[:_LARGEST_SOURCE_NAME]}"
    if record.altitude_m is not None:
        first += f" {record.altitude_m / 1000:.1f} km"
    if record.augmentation.swap:
        first += " swapped"
    if orientation_of(facts) != "0 deg":
        first += f" {orientation_of(facts)}"
    second = (
        f"grey {statistics.mean_grey:.0f} shadow {statistics.shadow:.0%} "
        f"texture {statistics.texture:.1f}"
    )
    if record.sun_elevation_deg is not None:
        second += f" sun {record.sun_elevation_deg:.0f}"
    return first, second
