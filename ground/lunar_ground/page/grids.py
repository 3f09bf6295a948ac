"""Results of one pair lie on grids of their own; the page shows one. From the ones to the other."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


class Grid(NamedTuple):
    """Pixels over a part of an image as given.

    Attributes:
        crop: Left, top, width and height of the part, pixels of the image.
        shape: Rows and columns of the grid.
    """

    crop: tuple[float, float, float, float]
    shape: tuple[int, int]

    def within(self, longest: int) -> Grid:
        """The same part, at most so many pixels along the longer side."""
        zoom = min(1.0, longest / max(self.shape))
        rows, columns = (max(1, round(side * zoom)) for side in self.shape)
        return Grid(self.crop, (rows, columns))


def place(values: NDArray[Any], source: Grid, target: Grid) -> NDArray[np.float64]:
    """Bring a map from its grid to another one; NaN spreads to what it touches.

    Shrinking averages, growing is linear, as in `lunar-bench accuracy`.

    Args:
        values: (h, w) or (h, w, 3) on `source`.
        source: Where it lies.
        target: Where it shall lie; what `source` does not show is NaN there.
    """
    full = np.asarray(values, np.float64)
    if source.crop != target.crop:
        return _cut(full, source, target)
    if full.shape[:2] == target.shape:
        return full
    rows, columns = target.shape
    shrinks = rows <= full.shape[0] and columns <= full.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(full, (columns, rows), interpolation=mode), np.float64)


def _cut(values: NDArray[np.float64], source: Grid, target: Grid) -> NDArray[np.float64]:
    axes = []
    for at, size, axis in ((0, 2, 1), (1, 3, 0)):  # x, then y
        centres = (np.arange(target.shape[axis]) + 0.5) / target.shape[axis]
        image = target.crop[at] + centres * target.crop[size]
        own = (image - source.crop[at]) / source.crop[size] * source.shape[axis]
        inside = (own >= 0) & (own <= source.shape[axis])
        own = np.clip(own - 0.5, 0, source.shape[axis] - 1)
        axes.append(np.where(inside, own, -2.0))
    x, y = np.meshgrid(*(axis.astype(np.float32) for axis in axes))
    return np.asarray(
        cv2.remap(
            values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT,
            borderValue=(np.nan,) * 4,
        ),
        np.float64,
    )  # fmt: skip
