"""One picture that shows at a glance what came out.

Columns: the image, depth, relief, slope and, where there is one, confidence. From orbit, depth
is a tilted plane with a few per cent of terrain on it, so depth alone looks like a smooth ramp
whatever the terrain; relief is what remains when the plane is taken away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.robust import percentiles
from lunar_runtime.report.canvas import (
    Panel,
    colour_panel,
    draw_sheet,
    image_panel,
    number_text,
    round_ticks,
)

# Outer ones are limits of a colour map: a few wild pixels must not flatten the rest.
_PERCENTILES = (1.0, 50.0, 99.0)


def render_preview(
    grey: NDArray[np.uint8],
    depth: NDArray[Any],
    slope: NDArray[Any],
    confidence: NDArray[Any] | None = None,
    *,
    unit: str,
    relief: NDArray[Any] | None = None,
    title: Sequence[str] = (),
    caption: str = "Left image",
    valid: NDArray[np.bool_] | None = None,
    landing: Panel | None = None,
) -> NDArray[np.uint8]:
    """Draw image | depth | relief | slope (| confidence) with colour bars, numbers and units.

    Args:
        grey: (H, W) uint8.
        depth: (H, W), in `unit`; NaN = invalid, here and below.
        slope: (H, W) degrees.
        confidence: (H, W), higher = surer.
        unit: Of depth and relief: "m", or "relative" where there is no scale.
        relief: (H, W) height above the scene's plane, in `unit`; None = how much nearer than the
            best plane a pixel is, along the line of sight's z.
        title: Lines above the panels; what is not ASCII is drawn as "?".
        caption: Above the image.
        valid: (H, W) bool, False where the image is masked; None = nowhere.
        landing: A further panel; see `landing_panel`.

    Returns:
        (h, w, 3) uint8, BGR as OpenCV writes it.

    Raises:
        InputError: The shapes differ, or `grey` is not (H, W) uint8.
    """
    grey = np.asarray(grey)
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
        raise InputError(f"grey must be (H, W) uint8, not {grey.dtype} of shape {grey.shape}")
    maps = {"depth": depth, "slope": slope, "confidence": confidence, "relief": relief}
    maps["valid"] = valid
    for name, values in maps.items():
        if values is not None and np.asarray(values).shape != grey.shape:
            raise InputError(
                f"{name} must be {grey.shape} like the image, not {np.asarray(values).shape}"
            )
    if relief is None:
        relief = _nearer_than_plane(np.asarray(depth))
        relief_note = "nearer than the plane"
    else:
        relief_note = "height above the plane"

    panels = [
        image_panel(caption, grey, valid),
        _length_panel("Depth", "", depth, unit, _map(cv2.COLORMAP_VIRIDIS), around_zero=False),
        _length_panel("Relief", relief_note, relief, unit, relief_colours(), around_zero=True),
        _slope_panel(slope),
    ]
    if confidence is not None:
        panels.append(_confidence_panel(confidence))
    if landing is not None:
        panels.append(landing)
    return draw_sheet(panels, title)


def _length_panel(
    caption: str,
    note: str,
    values: NDArray[Any],
    unit: str,
    colours: NDArray[np.uint8],
    *,
    around_zero: bool,
) -> Panel:
    values = np.asarray(values, dtype=np.float64)
    low, median, high = _spread(values)
    if around_zero:
        high = max(abs(low), abs(high))
        low = -high
    if unit == "m" and max(abs(low), abs(high)) >= 10_000:
        values, unit = values / 1000, "km"
        low, median, high = low / 1000, median / 1000, high / 1000
    note = note or f"median {number_text(median)}"
    return colour_panel(
        f"{caption} ({unit})", note, values, colours, (low, high), round_ticks(low, high)
    )


def _slope_panel(slope: NDArray[Any]) -> Panel:
    values = np.asarray(slope, dtype=np.float64)
    # Multiples of the hazard steps, and never less than 20, so that pictures compare.
    _, median, steep = _spread(values)
    high = min(90.0, max(20.0, 5 * math.ceil(steep / 5)))
    step = 5 if high <= 30 else 10 if high <= 60 else 15
    return colour_panel(
        "Slope (deg)",
        f"median {number_text(median)}",
        values,
        _map(cv2.COLORMAP_MAGMA),
        (0.0, high),
        np.arange(0, high + 1e-9, step).tolist(),
    )


def _confidence_panel(confidence: NDArray[Any]) -> Panel:
    values = np.asarray(confidence, dtype=np.float64)
    low, median, high = _spread(values)
    note = f"1 + .01 / error, median {number_text(median)}"
    colours = _map(cv2.COLORMAP_CIVIDIS)
    return colour_panel("Confidence", note, values, colours, (low, high), round_ticks(low, high))


def _nearer_than_plane(depth: NDArray[Any]) -> NDArray[np.float64]:
    """Depth of the best plane minus depth. A plane's 1 / depth is linear in the pixel."""
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float64)
    height, width = depth.shape
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    if np.count_nonzero(np.isfinite(depth)) < 3:
        return np.full_like(depth, np.nan)
    typical = float(np.nanmedian(depth))
    # In these coordinates the fit's distances are those of 1 / depth, as x and y are exact
    # and the surface is nearly level.
    try:
        plane = fit_plane(np.stack([x, y, typical / depth], axis=-1))
    except InputError:  # three pixels in one row, say
        return np.full_like(depth, np.nan)
    n, offset = plane.normal, plane.offset
    if abs(n[2]) < 1e-6:
        return np.full_like(depth, np.nan)
    inverse = (offset - n[0] * x - n[1] * y) / n[2]
    inverse[inverse <= 1e-6] = np.nan  # beyond the plane's horizon
    nearer: NDArray[np.float64] = typical / inverse - depth
    return nearer


def _spread(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Lower limit of a map's colours, median, upper limit."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, math.nan, 1.0
    low, median, high = (float(value) for value in percentiles(finite, _PERCENTILES))
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # constant: a bar needs a width
        margin = 0.01 * abs(low) or 1.0
        low, high = low - margin, high + margin
    return low, median, high


def _map(colormap: int) -> NDArray[np.uint8]:
    """(256, 3) colours of one of OpenCV's colour maps."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, colormap), dtype=np.uint8)[:, 0]


def relief_colours() -> NDArray[np.uint8]:
    """(256, 3) colours: blue below, near white at zero, brown above."""
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    bgr = np.array(
        [(110, 48, 10), (200, 150, 90), (240, 243, 243), (90, 160, 215), (15, 60, 120)], np.float64
    )
    at = np.linspace(0, 1, 256)
    channels = [np.interp(at, stops, bgr[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)
