"""One picture that shows at a glance what came out.

Columns: the image, depth, relief, slope and, where there is one, confidence. From orbit, depth
is a tilted plane with a few per cent of terrain on it, so depth alone looks like a smooth ramp
whatever the terrain; relief is what remains when the plane is taken away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import fit_plane

_PANEL_PX = 400  # longer side of a panel
_MARGIN_PX = 24
_TITLE_PX = 26
_CAPTION_PX = 48
_BAR_PX = 14
_FOOT_PX = 66  # colour bar, its numbers, the note on invalid pixels

_PAPER = (255, 255, 255)  # BGR, as everything below
_INK = (40, 40, 40)
_FAINT = (115, 115, 115)
_INVALID = (190, 150, 200)  # a pale mauve, in none of the colour maps
_TITLE_SIZE = 0.62  # of the font
_FONT = cv2.FONT_HERSHEY_DUPLEX

_PERCENTILES = (1.0, 99.0)  # limits of a colour map: a few wild pixels must not flatten the rest


@dataclass(frozen=True)
class _Panel:
    caption: str
    note: str
    picture: NDArray[np.uint8]  # (H, W, 3)
    colours: NDArray[np.uint8] | None = None  # (256, 3)
    limits: tuple[float, float] = (0.0, 1.0)
    ticks: Sequence[float] = ()
    invalid_fraction: float = 0.0


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

    Returns:
        (h, w, 3) uint8, BGR as OpenCV writes it.

    Raises:
        InputError: The shapes differ, or `grey` is not (H, W) uint8.
    """
    grey = np.asarray(grey)
    if grey.ndim != 2 or grey.dtype != np.uint8 or grey.size == 0:
        raise InputError(f"grey must be (H, W) uint8, not {grey.dtype} of shape {grey.shape}")
    maps = {"depth": depth, "slope": slope, "confidence": confidence, "relief": relief}
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

    height, width = grey.shape
    panels = [
        _Panel(caption, f"{width} x {height} px", np.repeat(grey[..., None], 3, -1)),
        _length_panel("Depth", "", depth, unit, _map(cv2.COLORMAP_VIRIDIS), around_zero=False),
        _length_panel("Relief", relief_note, relief, unit, _diverging(), around_zero=True),
        _slope_panel(slope),
    ]
    if confidence is not None:
        panels.append(_confidence_panel(confidence))
    return _draw(panels, title)


def _length_panel(
    caption: str,
    note: str,
    values: NDArray[Any],
    unit: str,
    colours: NDArray[np.uint8],
    *,
    around_zero: bool,
) -> _Panel:
    values = np.asarray(values, dtype=np.float64)
    low, high = _limits(values)
    if around_zero:
        high = max(abs(low), abs(high))
        low = -high
    if unit == "m" and max(abs(low), abs(high)) >= 10_000:
        values, low, high, unit = values / 1000, low / 1000, high / 1000, "km"
    note = note or f"median {_number(_median(values))}"
    return _panel(f"{caption} ({unit})", note, values, colours, (low, high), _ticks(low, high))


def _slope_panel(slope: NDArray[Any]) -> _Panel:
    values = np.asarray(slope, dtype=np.float64)
    # Multiples of the hazard steps, and never less than 20, so that pictures compare.
    high = min(90.0, max(20.0, 5 * math.ceil(_limits(values)[1] / 5)))
    step = 5 if high <= 30 else 10 if high <= 60 else 15
    return _panel(
        "Slope (deg)",
        f"median {_number(_median(values))}",
        values,
        _map(cv2.COLORMAP_MAGMA),
        (0.0, high),
        np.arange(0, high + 1e-9, step).tolist(),
    )


def _confidence_panel(confidence: NDArray[Any]) -> _Panel:
    values = np.asarray(confidence, dtype=np.float64)
    low, high = _limits(values)
    note = f"median {_number(_median(values))}"
    colours = _map(cv2.COLORMAP_CIVIDIS)
    return _panel("Confidence", note, values, colours, (low, high), _ticks(low, high))


def _panel(
    caption: str,
    note: str,
    values: NDArray[np.float64],
    colours: NDArray[np.uint8],
    limits: tuple[float, float],
    ticks: Sequence[float],
) -> _Panel:
    finite = np.isfinite(values)
    level = (np.where(finite, values, limits[0]) - limits[0]) / (limits[1] - limits[0])
    picture = colours[np.clip(np.rint(level * 255), 0, 255).astype(np.intp)]
    picture[~finite] = _INVALID
    invalid = 1 - float(np.count_nonzero(finite)) / finite.size
    return _Panel(caption, note, picture, colours, limits, ticks, invalid)


def _draw(panels: Sequence[_Panel], title: Sequence[str]) -> NDArray[np.uint8]:
    source_height, source_width = panels[0].picture.shape[:2]
    zoom = _PANEL_PX / max(source_height, source_width)
    height, width = max(1, round(source_height * zoom)), max(1, round(source_width * zoom))
    column = max(width, 240)  # room for the words beside a narrow image
    top = _MARGIN_PX + _TITLE_PX * len(title) + (8 if title else 0)
    canvas = np.empty(
        (
            top + _CAPTION_PX + height + _FOOT_PX + _MARGIN_PX // 2,
            _MARGIN_PX + (column + _MARGIN_PX) * len(panels),
            3,
        ),
        dtype=np.uint8,
    )
    canvas[:] = _PAPER
    for index, line in enumerate(title):
        line = _fitting(line, canvas.shape[1] - 2 * _MARGIN_PX)
        _write(canvas, line, (_MARGIN_PX, _MARGIN_PX + _TITLE_PX * index + 14), _TITLE_SIZE, _INK)

    # Zooming in repeats pixels: what was measured is what is seen. Zooming out averages.
    interpolation = cv2.INTER_NEAREST if zoom >= 1 else cv2.INTER_AREA
    for index, panel in enumerate(panels):
        x = _MARGIN_PX + (column + _MARGIN_PX) * index
        y = top + _CAPTION_PX
        _write(canvas, panel.caption, (x, y - 28), _TITLE_SIZE, _INK)
        _write(canvas, panel.note, (x, y - 9), 0.44, _FAINT)
        picture = cv2.resize(panel.picture, (width, height), interpolation=interpolation)
        canvas[y : y + height, x : x + width] = picture
        if panel.colours is not None:
            _draw_bar(canvas, panel, panel.colours, x, y + height + 10, width)
    return canvas


def _draw_bar(
    canvas: NDArray[np.uint8],
    panel: _Panel,
    colours: NDArray[np.uint8],
    x: int,
    y: int,
    width: int,
) -> None:
    canvas[y : y + _BAR_PX, x : x + width] = colours[np.linspace(0, 255, width).astype(np.intp)]
    low, high = panel.limits
    free_from = x
    for tick in panel.ticks:
        at = x + round((tick - low) / (high - low) * (width - 1))
        text = _number(tick)
        text_width = _text_width(text, 0.42)
        start = min(max(at - text_width // 2, x), x + width - text_width)
        if start < free_from:
            continue
        canvas[y + _BAR_PX : y + _BAR_PX + 4, at] = _INK
        _write(canvas, text, (start, y + _BAR_PX + 18), 0.42, _INK)
        free_from = start + text_width + 6
    if panel.invalid_fraction > 0:
        below = y + _BAR_PX + 26
        canvas[below : below + 11, x : x + 11] = _INVALID
        percent = 100 * panel.invalid_fraction
        share = "< 0.1" if percent < 0.1 else f"{percent:.1f}"
        _write(canvas, f"invalid: {share} %", (x + 17, below + 10), 0.42, _FAINT)


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


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(finite, _PERCENTILES))
    if not high - low > 1e-9 * max(abs(low), abs(high)):  # constant: a bar needs a width
        margin = 0.01 * abs(low) or 1.0
        low, high = low - margin, high + margin
    return low, high


def _median(values: NDArray[np.float64]) -> float:
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else math.nan


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers, three to six of them, within the limits."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.4g}"


def _map(colormap: int) -> NDArray[np.uint8]:
    """(256, 3) colours of one of OpenCV's colour maps."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return np.asarray(cv2.applyColorMap(ramp, colormap), dtype=np.uint8)[:, 0]


def _diverging() -> NDArray[np.uint8]:
    """(256, 3) colours: blue below, near white at zero, brown above."""
    stops = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    bgr = np.array(
        [(110, 48, 10), (200, 150, 90), (240, 243, 243), (90, 160, 215), (15, 60, 120)], np.float64
    )
    at = np.linspace(0, 1, 256)
    channels = [np.interp(at, stops, bgr[:, channel]) for channel in range(3)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _write(
    canvas: NDArray[np.uint8], text: str, at: tuple[int, int], size: float, colour: tuple[int, ...]
) -> None:
    ascii_text = text.encode("ascii", "replace").decode("ascii")
    cv2.putText(canvas, ascii_text, at, _FONT, size, colour, 1, cv2.LINE_AA)


def _fitting(line: str, width: int) -> str:
    """The line, cut at its end if it is longer than `width` pixels."""
    if _text_width(line, _TITLE_SIZE) <= width:
        return line
    while line and _text_width(f"{line} ...", _TITLE_SIZE) > width:
        line = line[:-1]
    return f"{line} ..."


def _text_width(text: str, size: float) -> int:
    return int(cv2.getTextSize(text, _FONT, size, 1)[0][0])
