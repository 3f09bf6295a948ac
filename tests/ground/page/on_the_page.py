"""What tests ask of a page in a browser."""

from __future__ import annotations

import numpy as np

from .browser import Page

COLUMNS = 256  # of the page of `results`: the network's, finer than the images


def values(page: Page, which: str, layer: str) -> np.ndarray:
    """A map of A or B, as the page has unpacked or derived it."""
    found = page.js(
        f"return Array.from(Derive.layer(Pair.method('{which}'), '{layer}'), (v) => v "
        f"=== v ? v : null)"
    )
    return np.array(found, np.float64).reshape(COLUMNS, COLUMNS)


def middle_of(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the grid lies on the stage, CSS pixels, when all of it is seen."""
    width, height = page.js("return [Stage.canvas.clientWidth, Stage.canvas.clientHeight]")
    scale = min(width, height) / COLUMNS
    return (x + 0.5 - COLUMNS / 2) * scale + width / 2, (y + 0.5 - COLUMNS / 2) * scale + height / 2
