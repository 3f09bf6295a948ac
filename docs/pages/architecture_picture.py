"""The picture of the house: packages, their rooms, and who may import whom.

    python docs/pages/architecture_picture.py        writes docs/pictures/architecture.svg

Rooms are those of the contracts in pyproject.toml. Run it again when a contract changes; a test
says so.
"""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import NamedTuple

from rooms import ROOT, Layers, contracts

OUT = ROOT / "docs/pictures/architecture.svg"

_WIDTH, _MARGIN, _GAP = 980, 16, 44
_CHIP_HEIGHT, _CHIP_GAP, _LETTER = 24, 22, 7.1
_FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"


class Package(NamedTuple):
    """A box: its folder's package, what it does, its colour."""

    name: str
    purpose: str
    colour: str


#: From top to bottom; a package may import those below it.
HOUSE = (
    (Package("lunar_bench", "what it costs, how good it is", "#8d6e63"),),
    (
        Package("lunar_export", "checkpoint to verified bundle", "#5e7fa3"),
        Package("lunar_distill", "teacher or truth to student", "#5e7fa3"),
    ),
    (
        Package("lunar_student", "the networks, in PyTorch", "#7a6ba0"),
        Package("lunar_calib", "rendered Moon, truth, calibration sets", "#4f8a72"),
        Package("lunar_ground", "planetary formats", "#4f8a72"),
    ),
    (Package("lunar_runtime", "what flies: two images to depth and slope", "#c2673f"),),
)


def picture(rooms: dict[str, Layers]) -> str:
    """The SVG.

    Args:
        rooms: Package -> layers, highest first; see `rooms.contracts`.
    """
    parts: list[str] = []
    boxes: dict[str, tuple[float, float, float, float]] = {}  # x, y, width, height
    y = float(_MARGIN)
    for row in HOUSE:
        width = (_WIDTH - _MARGIN * (len(row) + 1)) / len(row)
        drawn = [_inside(package, rooms.get(package.name, []), width) for package in row]
        height = max(height for _, height in drawn)
        for column, (package, (inside, _)) in enumerate(zip(row, drawn, strict=True)):
            x = _MARGIN + column * (width + _MARGIN)
            boxes[package.name] = (x, y, width, height)
            parts.append(_box(package, x, y, width, height, inside))
        y += height + _GAP
    parts += [_arrow(boxes[a], boxes[b]) for a, b in _imports()]
    height = y - _GAP + 34
    note = "Arrows are imports: a package may import what lies below it, a room those to its right."
    parts.append(_text(_MARGIN, height - 12, note, 12, "#455a64"))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {height:.0f}' "
        f"role='img' aria-label='Packages and rooms of lunar-edge' {_FONT}>\n"
        "<defs><marker id='tip' viewBox='0 0 10 10' refX='9' refY='5' markerWidth='7' "
        "markerHeight='7' orient='auto'><path d='M0 0L10 5L0 10z' fill='#607d8b'/></marker>"
        "</defs>\n"
        f"<rect width='{_WIDTH}' height='{height:.0f}' rx='10' fill='#fbfaf8'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _imports() -> list[tuple[str, str]]:
    """From each package of a row to each of the next."""
    pairs = []
    for above, below in pairwise(HOUSE):
        pairs += [(a.name, b.name) for a in above for b in below]
    return pairs


def _inside(package: Package, layers: Layers, width: float) -> tuple[list[str], float]:
    """A box's rooms, drawn from its corner; and the height that they need."""
    parts: list[str] = []
    x, y = 14.0, 46.0
    for number, layer in enumerate(layers):
        label = " · ".join(layer)
        chip = len(label) * _LETTER + 18
        if number and x + chip > width - 14:
            x, y = 14.0, y + _CHIP_HEIGHT + 10
        if number:
            middle = y + _CHIP_HEIGHT / 2
            start = x - _CHIP_GAP + 2
            parts.append(
                f"<path d='M{start:.0f} {middle}h{_CHIP_GAP - 4}' stroke='#90a4ae' "
                "marker-end='url(#tip)'/>"
                if x > 14
                else ""
            )
        parts.append(
            f"<rect x='{x:.0f}' y='{y:.0f}' width='{chip:.0f}' height='{_CHIP_HEIGHT}' rx='5' "
            f"fill='#fff' stroke='{package.colour}'/>"
        )
        parts.append(_text(x + chip / 2, y + 16, label, 12, "#263238", "middle"))
        x += chip + _CHIP_GAP
    return parts, y + _CHIP_HEIGHT + 14 if layers else 46.0


def _box(
    package: Package, x: float, y: float, width: float, height: float, inside: list[str]
) -> str:
    title = f"<tspan font-weight='bold'>{package.name}</tspan>  {escape(package.purpose)}"
    return (
        f"<g transform='translate({x:.0f} {y:.0f})'>"
        f"<rect width='{width:.0f}' height='{height:.0f}' rx='8' fill='{package.colour}' "
        f"fill-opacity='.13' stroke='{package.colour}' stroke-width='1.5'/>"
        f"<text x='14' y='28' font-size='14' fill='#263238' xml:space='preserve'>{title}</text>"
        + "".join(inside)
        + "</g>"
    )


def _arrow(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> str:
    """From the bottom of a box to the top of one below it, at points that other arrows leave."""
    (ax, ay, aw, ah), (bx, by, bw, _) = a, b
    left, right = max(ax, bx), min(ax + aw, bx + bw)
    if right > left:  # one above the other: straight down
        start = end = (left + right) / 2
    else:
        start, end = (ax + 0.8 * aw, bx + 0.2 * bw) if ax < bx else (ax + 0.2 * aw, bx + 0.8 * bw)
    return (
        f"<path d='M{start:.0f} {ay + ah:.0f}L{end:.0f} {by - 2:.0f}' stroke='#607d8b' "
        "stroke-width='1.5' fill='none' marker-end='url(#tip)'/>"
    )


def _text(x: float, y: float, text: str, size: int, colour: str, anchor: str = "start") -> str:
    return (
        f"<text x='{x:.0f}' y='{y:.0f}' font-size='{size}' fill='{colour}' "
        f"text-anchor='{anchor}'>{escape(text)}</text>"
    )


def main() -> None:
    """Write the picture."""
    OUT.write_text(picture(contracts()), encoding="utf-8")


if __name__ == "__main__":
    main()
