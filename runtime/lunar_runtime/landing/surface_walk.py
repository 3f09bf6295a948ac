"""Where the verticals of the ground meet the surface that a view shows."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.local_frame import LocalFrame, fall
from lunar_runtime.landing.visible_surface import VisibleSurface, taken_at

_CLOSE = 0.05  # of a cell: how near the found point must be to the vertical
#: Outside of every view.
NO_PIXEL = np.float32(-9)
_HALF = np.float32(0.5)


class Found(NamedTuple):
    """What was met; (R, C) each.

    Attributes:
        height: Metres; NaN = nothing.
        offset: Metres from the vertical.
        pixel_x: Column of the view.
        pixel_y: Row of the view.
        slope_x: Of the surface there, along x.
        slope_y: Along y.
    """

    height: Field
    offset: Field
    pixel_x: Field
    pixel_y: Field
    slope_x: Field
    slope_y: Field

    def without_misses(self, cell_m: float) -> Found:
        """Holes where the surface was not met within a cell's twentieth."""
        hole = ~((self.offset <= _CLOSE * cell_m) & np.isfinite(self.height))
        height = np.where(hole, np.float32(np.nan), self.height)
        x, y = (np.where(hole, NO_PIXEL, pixel) for pixel in (self.pixel_x, self.pixel_y))
        return self._replace(height=height, pixel_x=x, pixel_y=y)


class SurfaceWalk:
    """From points above the ground down their verticals."""

    def __init__(self, intrinsics: Intrinsics, frame: LocalFrame, surface: VisibleSurface) -> None:
        """Prepare a surface.

        Args:
            intrinsics: Of the left camera, pixels of the surface.
            frame: Of all coordinates.
            surface: That the view shows.
        """
        # OpenCV looks up with the top-left centre at (0, 0).
        k = intrinsics
        self._looked_up = replace(k, cx=k.cx - 0.5, cy=k.cy - 0.5)
        self._frame, self.surface = frame, surface
        self._planes = cv2.merge(surface[:4])  # one remap of four planes takes the time of two

    def down(self, x: Field, y: Field, height: Field, steps: int = 4) -> Found:
        """Newton's steps along every vertical to the surface.

        Args:
            x: (R, C) metres, of the verticals.
            y: (R, C) metres.
            height: (R, C) metres, where to start; NaN = nowhere.
            steps: So many.
        """
        level = self._frame.to_camera(x, y, np.float32(0))
        pixel_x = pixel_y = aside_x = aside_y = slope_x = slope_y = height
        for _ in range(steps):
            point = tuple(
                plane + np.float32(upward) * height
                for plane, upward in zip(level, self._frame.axes[2], strict=True)
            )
            pixel_x, pixel_y = project(self._looked_up, point)
            at_x, at_y, at_z, along = cv2.split(taken_at(self._planes, pixel_x, pixel_y))
            slope_x = np.asarray(along, np.float32)
            slope_y = taken_at(self.surface.slope_y, pixel_x, pixel_y)
            aside_x, aside_y = x - at_x, y - at_y
            height = at_z + slope_x * aside_x + slope_y * aside_y
        offset = np.hypot(aside_x, aside_y)
        pixel_x += _HALF
        pixel_y += _HALF
        return Found(height, offset, pixel_x, pixel_y, slope_x, slope_y)

    def lever(self, x: Field, y: Field, found: Found) -> Field:
        """(R, C) metres: what a relative error of a ray's length does to the height there."""
        camera = -(self._frame.axes @ self._frame.origin)  # the left camera, in the local frame
        above = found.height - fall(x, y) - np.float32(camera[2])
        aside = found.slope_x * (x - np.float32(camera[0]))
        aside += found.slope_y * (y - np.float32(camera[1]))
        return np.asarray(above - aside, np.float32)


def project(k: Intrinsics, point: tuple[Field, ...]) -> tuple[Field, Field]:
    """Columns and rows of a camera that see its points; -9 behind it, and where there is none."""
    x, y, z = point
    with np.errstate(invalid="ignore", divide="ignore"):
        lost = ~(z > 0)
        column, row = x / z, y / z
        column *= np.float32(k.fx)
        row *= np.float32(k.fy)
        column += np.float32(k.cx)
        row += np.float32(k.cy)
    if lost.any():
        for pixel in (column, row):
            np.copyto(pixel, NO_PIXEL, where=lost)
    return column, row
