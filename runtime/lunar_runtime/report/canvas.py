"""Panels with colour bars on one sheet of paper: how a picture is laid out and written on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_PANEL_PX = 400  # longer side of a panel
_MARGIN_PX = 24
_TITLE_PX = 26
_CAPTION_PX = 48
_BAR_PX = 14
_FOOT_PX = 66  # colour bar, its numbers, the note on invalid pixels

_PAPER = 255  # white
_INK = (40, 40, 40)  # BGR, as everything below
_FAINT = (115, 115, 115)
_INVALID = (190, 150, 200)  # a pale mauve, in none of the colour maps
_TITLE_SIZE = 0.62  # of the font
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True)
class Panel:
    """One picture of the sheet.

    Attributes:
        caption: Above it.
        note: Small, below the caption.
        picture: (H, W, 3) uint8, BGR.
        colours: (256, 3) of its bar; None = no bar.
        limits: Values at the bar's ends.
        ticks: Values that are written at the bar.
        invalid_fraction: Of its pixels, those without a value.
        foot: Small lines below a picture without a bar.
    """

    caption: str
    note: str
    picture: NDArray[np.uint8]
    colours: NDArray[np.uint8] | None = None
    limits: tuple[float, float] = (0.0, 1.0)
    ticks: Sequence[float] = ()
    invalid_fraction: float = 0.0
    foot: Sequence[str] = ()


def colour_panel(
    caption: str,
    note: str,
    values: NDArray[np.float64],
    colours: NDArray[np.uint8],
    limits: tuple[float, float],
    ticks: Sequence[float],
) -> Panel:
    """A map in colours; what is not finite has a colour of its own."""
    finite = np.isfinite(values)
    level = (np.where(finite, values, limits[0]) - limits[0]) / (limits[1] - limits[0])
    index = np.clip(np.rint(level * 255), 0, 255).astype(np.uint8)
    # applyColorMap takes a third of the time of an array indexed by an array.
    picture = np.asarray(cv2.applyColorMap(index, colours[:, None]), dtype=np.uint8)
    picture[~finite] = _INVALID
    invalid = 1 - float(np.count_nonzero(finite)) / finite.size
    return Panel(caption, note, picture, colours, limits, ticks, invalid)


def image_panel(caption: str, grey: NDArray[np.uint8], valid: NDArray[np.bool_] | None) -> Panel:
    """An image; what is masked has the colour of what is invalid."""
    height, width = grey.shape
    note, picture = f"{width} x {height} px", np.repeat(grey[..., None], 3, -1)
    if valid is not None:
        picture[~valid] = _INVALID
        note += f", {1 - float(valid.mean()):.1%} masked"
    return Panel(caption, note, picture)


def draw_sheet(panels: Sequence[Panel], title: Sequence[str]) -> NDArray[np.uint8]:
    """Panels of one size beside each other, under a title of some lines; (h, w, 3) uint8, BGR."""
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
    canvas.fill(_PAPER)
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
        for number, line in enumerate(panel.foot):
            _write(canvas, line, (x, y + height + 20 + 18 * number), 0.42, _FAINT)
    return canvas


def load_letters() -> None:
    """Have OpenCV load its letters: 15 ms, else when this thread draws the first."""
    _text_width("0", _TITLE_SIZE)


def _draw_bar(
    canvas: NDArray[np.uint8],
    panel: Panel,
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
        text = number_text(tick)
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


def round_ticks(low: float, high: float) -> list[float]:
    """Round numbers, two to six of them, within the limits."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def number_text(value: float) -> str:
    """Four digits, or `none`."""
    return "none" if math.isnan(value) else f"{value:.4g}"


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
