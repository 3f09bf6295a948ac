"""The surface that a view shows: where its pixels lie on the ground, and which are neighbours."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.local_frame import LocalFrame

_GRAZING = math.tan(math.radians(85.0))  # a neighbour this far along the ray is another surface


class VisibleSurface(NamedTuple):
    """(H, W) each: local coordinates, gradient of the height, distances of pixels on the ground."""

    x: Field
    y: Field
    z: Field
    slope_x: Field
    slope_y: Field
    area: Field
    spacing: Field

    @property
    def ground_px(self) -> float:
        """Median side of a pixel on the ground, metres."""
        return float(np.median(np.sqrt(self.area[np.isfinite(self.x)])))


def visible_surface(points: NDArray[np.float32], frame: LocalFrame) -> VisibleSurface:
    """The surface of a view's points, in a local frame.

    Args:
        points: (H, W, 3) metres, left camera's frame; NaN = invalid.
        frame: The local frame.
    """
    x, y, z = frame.from_camera(points)
    steps = _steps(points)
    if steps.any():
        x, y, z = (np.where(steps, np.float32(np.nan), plane) for plane in (x, y, z))
    x_u, x_v = differences(x)
    y_u, y_v = differences(y)
    z_u, z_v = differences(z)
    with np.errstate(invalid="ignore", divide="ignore"):
        across = x_u * y_v - x_v * y_u
        slope_x: Field = np.asarray((z_u * y_v - z_v * y_u) / across, np.float32)
        slope_y: Field = np.asarray((x_u * z_v - x_v * z_u) / across, np.float32)
        spacing = np.sqrt(np.maximum(x_u**2 + y_u**2, x_v**2 + y_v**2))
        lost = ~np.isfinite(slope_x + slope_y)
    x, y, z = (np.where(lost, np.float32(np.nan), plane) for plane in (x, y, z))
    return VisibleSurface(x, y, z, slope_x, slope_y, np.abs(across), spacing)


def _steps(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(H, W) both sides of a depth step: there two neighbours are not of one surface."""
    planes = cv2.split(points)
    square = planes[0] ** 2 + planes[1] ** 2 + planes[2] ** 2
    found = np.zeros(points.shape[:2], np.bool_)
    for into, of, squares in (
        (found, planes, square),
        (found.T, [plane.T for plane in planes], square.T),
    ):
        # With a and b the two points, and b - a split along their mean ray, a + b, and across.
        with np.errstate(invalid="ignore"):
            x, y, z = (plane[1:] - plane[:-1] for plane in of)
            apart = x * x + y * y + z * z
            rays = 2 * (squares[1:] + squares[:-1]) - apart  # |a + b|²
            along = (squares[1:] - squares[:-1]) ** 2  # ((b - a) · (a + b))²
            jump = along > np.float32(_GRAZING**2 / (1 + _GRAZING**2)) * apart * rays
        into[:-1] |= jump
        into[1:] |= jump
    return found


def differences(values: Field) -> tuple[Field, Field]:
    """Per pixel along rows and columns: central, one-sided at the border."""
    u, v = np.empty_like(values), np.empty_like(values)
    for into, of in ((u, values), (v.T, values.T)):
        into[:, 1:-1] = (of[:, 2:] - of[:, :-2]) / 2
        into[:, 0] = of[:, 1] - of[:, 0]
        into[:, -1] = of[:, -1] - of[:, -2]
    return u, v


def taken(
    values: NDArray[Any],
    pixel_x: Field,
    pixel_y: Field,
    how: int = cv2.INTER_LINEAR,
    *,
    beyond: int = cv2.BORDER_CONSTANT,
) -> NDArray[Any]:
    """Values of a view at pixels.

    Args:
        values: (H, W) of the view, or (H, W, 2 to 4).
        pixel_x: (R, C) columns. Where there is no pixel they are far outside, and not NaN.
        pixel_y: (R, C) rows.
        how: OpenCV's interpolation.
        beyond: OpenCV's border: NaN, or 0, beyond the outermost centres, or what is on them.
    """
    half = np.float32(0.5)
    return taken_at(values, pixel_x - half, pixel_y - half, how, beyond=beyond)


def taken_at(
    values: NDArray[Any],
    x: Field,
    y: Field,
    how: int = cv2.INTER_LINEAR,
    *,
    beyond: int = cv2.BORDER_CONSTANT,
) -> NDArray[Any]:
    """As `taken`; the top-left centre is (0, 0), OpenCV's own."""
    outside = (np.nan if np.issubdtype(values.dtype, np.floating) else 0,) * 4
    return np.asarray(cv2.remap(values, x, y, how, borderMode=beyond, borderValue=outside))
