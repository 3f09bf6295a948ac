"""From an image through a lens to the pixels of a grid: one resampling, and what it cannot fill.

The undistorted camera has the intrinsics of the one that took the image, and an image of the same
size. So a grid means the same with a lens and without; what a barrel lens shows beyond it is cut,
and what a pincushion lens does not show is invalid.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.lens import Lens

# Samples at a time: 8 MB of coordinates, whatever the image's size.
_BLOCK = 1 << 20
_MARGIN = 4  # pixels that the interpolation reaches beyond a sample


def undistort(
    pixels: NDArray[np.uint8],
    valid: NDArray[np.bool_] | None,
    lens: Lens,
    mapping: GridMapping,
    corner: tuple[int, int] = (0, 0),
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Resample an image on a grid of its undistorted camera.

    Each grid pixel is the mean of samples that are at most an image pixel apart, so that shrinking
    averages.

    Args:
        pixels: (h, w) grey levels as given.
        valid: (h, w); None = all are.
        lens: That took it, in pixels of the image as given.
        mapping: From the undistorted image, of the given one's size, to the grid.
        corner: Column and row of the image as given at which `pixels` start.

    Returns:
        (H, W) grey levels on the grid, and where they are all of valid pixels.
    """
    height, width = mapping.grid_height, mapping.grid_width
    times = max(1, math.ceil(1 / min(mapping.scale_x, mapping.scale_y) - 1e-9))
    grey = np.empty((height, width), np.uint8)
    known = np.empty((height, width), bool)
    missing = None if valid is None else (~valid).astype(np.float32)
    across = (np.arange(width * times) + 0.5) / times
    rows = max(1, _BLOCK // (width * times * times))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        down = top + (np.arange((bottom - top) * times) + 0.5) / times
        grid = np.stack(np.meshgrid(across, down), axis=-1)
        at = lens.to_image(mapping.points_to_source(grid)) - corner
        sample, seen = _samples(pixels, missing, at)
        size = (width, bottom - top)
        mean = cv2.resize(sample, size, interpolation=cv2.INTER_AREA) if times > 1 else sample
        grey[top:bottom] = np.clip(np.rint(mean), 0, 255)
        known[top:bottom] = seen.reshape(bottom - top, times, width, times).all(axis=(1, 3))
    return grey, known


def _samples(
    pixels: NDArray[np.uint8], missing: NDArray[np.float32] | None, at: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(n, m) grey levels at (n, m, 2) places, and whether valid pixels surround them."""
    height, width = pixels.shape
    with np.errstate(invalid="ignore"):
        inside: NDArray[np.bool_] = (at >= 0) & (at <= (width, height))
    seen = np.logical_and(inside[..., 0], inside[..., 1])
    if not seen.any():
        return np.zeros(seen.shape, np.float32), seen
    # OpenCV's pixel centres are whole numbers; places that are not seen go where no one looks.
    place = np.where(seen[..., None], at, at[seen][0]) - 0.5
    low = np.maximum(np.floor(place.min(axis=(0, 1))).astype(int) - _MARGIN, 0)
    high = np.ceil(place.max(axis=(0, 1))).astype(int) + _MARGIN + 1
    part = slice(low[1], high[1]), slice(low[0], high[0])
    x, y = np.moveaxis((place - low).astype(np.float32), -1, 0)
    source = pixels[part].astype(np.float32)
    edge = cv2.BORDER_REPLICATE
    sample = cv2.remap(source, x, y, cv2.INTER_LANCZOS4, borderMode=edge)
    if missing is not None:
        lost = cv2.remap(
            np.ascontiguousarray(missing[part]), x, y, cv2.INTER_LINEAR, borderMode=edge
        )
        seen &= lost == 0
    return np.asarray(sample, np.float32), seen
