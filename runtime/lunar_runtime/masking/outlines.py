"""Areas that begin at the image's border, and how straight their inner outline is.

Wedges, frames and limbs are straight or gently curved; shadows are ragged. In 24 StereoLunar, 48
rendered and 4 Apollo images, dark or constant areas of a thousandth of the image and more have at
most .63 of their inner outline on straight pieces of 24 px, large ones (2 %) at most .35.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_OFF_PX = 1.5  # from a straight piece
_PIECE_PX = 24.0
_CONTACT_PX = 3


@dataclass(frozen=True)
class BorderArea:
    """A connected area that touches the image's border.

    Attributes:
        pixels: (h, w) bool.
        side_share: Of one side of the image, the most that it touches.
    """

    pixels: NDArray[np.bool_]
    side_share: float

    @property
    def straight(self) -> float:
        """Of its outline inside the image, the share on straight pieces.

        1 where there is no such outline, as of a frame of single pixels.
        """
        return _straight(self.pixels)


def border_areas(area: NDArray[np.bool_], least_px: float) -> Iterator[BorderArea]:
    """The parts of an area that touch the border and have at least so many pixels."""
    height, width = area.shape
    if np.count_nonzero(area) < least_px:
        return
    _, labels, table, _ = cv2.connectedComponentsWithStats(area.view(np.uint8), connectivity=4)
    x, y, w, h, size = table.T
    border = (x <= 0) | (y <= 0) | (x + w >= width) | (y + h >= height)
    border[0] = False  # what is not of the area
    for label in np.flatnonzero(border & (size >= least_px)):
        part = np.asarray(labels == label)
        sides = (part[0], part[-1], part[:, 0], part[:, -1])
        yield BorderArea(part, max(float(side.mean()) for side in sides))


def _straight(part: NDArray[np.bool_]) -> float:
    height, width = part.shape
    padded = np.pad(part.astype(np.uint8), 1)
    outlines, _ = cv2.findContours(padded, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    inner = straight = 0.0
    for outline in outlines:
        corners = cv2.approxPolyDP(outline, _OFF_PX, True)[:, 0].astype(np.float64) - 1
        following = np.roll(corners, -1, axis=0)
        lengths = np.hypot(*(following - corners).T)
        along_border = np.zeros(len(corners), bool)
        for axis, last in ((0, width - 1), (1, height - 1)):
            here, there = corners[:, axis], following[:, axis]
            along_border |= (here <= 1) & (there <= 1)
            along_border |= (here >= last - 1) & (there >= last - 1)
        lengths = lengths[~along_border]
        inner += float(lengths.sum())
        straight += float(lengths[lengths >= _PIECE_PX].sum())
    return straight / inner if inner else 1.0


@dataclass(frozen=True)
class Cut:
    """What an area has beyond the hull of the rest.

    Attributes:
        pixels: (h, w) bool, that part of it.
        share: Of the image.
        length_px: Of the hull's edge along it, through the image.
        contact: Share of that edge that lies on the rest.
    """

    pixels: NDArray[np.bool_]
    share: float
    length_px: int
    contact: float


@dataclass(frozen=True)
class Hull:
    """The convex hull of some pixels.

    Attributes:
        beyond: (h, w) bool, what is outside.
        edge: (h, w) bool, its outline, less what runs along the image's border.
        near: (h, w) bool, what is near those pixels.
    """

    beyond: NDArray[np.bool_]
    edge: NDArray[np.bool_]
    near: NDArray[np.bool_]

    @classmethod
    def of(cls, pixels: NDArray[np.bool_]) -> Hull:
        """Of (h, w) bool pixels."""
        beyond, edge = np.ones(pixels.shape, np.uint8), np.zeros(pixels.shape, np.uint8)
        rows = np.flatnonzero(pixels.any(axis=1))
        if rows.size:  # the ends of the rows have the hull of all
            first = pixels[rows].argmax(axis=1)
            last = pixels.shape[1] - 1 - pixels[rows, ::-1].argmax(axis=1)
            ends = np.stack([np.r_[first, last], np.r_[rows, rows]], axis=-1)
            hull = cv2.convexHull(ends.astype(np.int32))
            cv2.fillConvexPoly(beyond, hull, 0)
            cv2.polylines(edge, [hull], True, 1)
        inner = np.zeros(pixels.shape, bool)
        inner[_CONTACT_PX:-_CONTACT_PX, _CONTACT_PX:-_CONTACT_PX] = True
        near = cv2.dilate(pixels.astype(np.uint8), square(_CONTACT_PX)) > 0
        return cls(beyond > 0, (edge > 0) & inner, near)

    def cut(self, area: NDArray[np.bool_]) -> Cut:
        """The part of an area that is beyond the hull."""
        part = area & self.beyond
        rim = self.edge & (cv2.dilate(part.astype(np.uint8), square(2)) > 0)
        length = int(np.count_nonzero(rim))
        contact = int(np.count_nonzero(rim & self.near)) / max(length, 1)
        return Cut(part, float(part.mean()), length, contact)


def square(reach_px: int) -> NDArray[np.uint8]:
    """A square that reaches so far from its middle, for dilation and erosion."""
    return np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
