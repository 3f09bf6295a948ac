"""Fields of pixels, blurred and resized: what the dense steps share."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.kernels.library import run

Field = NDArray[np.float32]

_FILLING_STEPS = 4  # hills with a hole are as smooth across its rim as elsewhere; 0 left twice that


def blurred(values: Field, sigma_px: float) -> Field:
    """Gaussian mean of an (H, W) field, mirrored at its edges."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma_px), np.float32)


def half(values: Field) -> Field:
    """(⌈H/2⌉, ⌈W/2⌉), means."""
    return resized(values, (-(-values.shape[0] // 2), -(-values.shape[1] // 2)))


def resized(values: Field, shape: tuple[int, ...]) -> Field:
    """An (H, W) field of another shape: means where it shrinks, bilinear where it grows.

    Unlike bicubic interpolation, neither overshoots.
    """
    if values.shape == shape:
        return values
    how = cv2.INTER_AREA if shape[0] < values.shape[0] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(values, (shape[1], shape[0]), interpolation=how), np.float32)


def within(values: Field, mask: NDArray[np.bool_]) -> Field:
    """A field, 0 outside a mask: a sixth of `np.where`'s time."""
    return np.asarray(cv2.copyTo(values, mask.view(np.uint8)), np.float32)


def filled(values: Field, known: NDArray[np.bool_]) -> Field:
    """An (H, W) field with its holes filled from their rims, as smoothly as these allow.

    From coarse means to fine ones; on each grid a few means of neighbours take the steps away.

    Args:
        values: (H, W) finite; what it is in holes does not matter.
        known: (H, W), somewhere; false in the holes.
    """
    if known.all():
        return values
    share = half(known.astype(np.float32))
    means = half(np.where(known, values, np.float32(0))) / np.maximum(share, np.float32(1e-6))
    around = resized(filled(means, share > 0), values.shape)
    for _ in range(_FILLING_STEPS):
        around = np.where(known, values, cv2.blur(around, (3, 3)))
    return np.asarray(around, np.float32)


def together(a: Field, b: Field) -> Field:
    """√(a² + b²), where neither square overflows.

    `np.hypot` takes five times as long, and `cv2.magnitude` gives other last bits at other
    addresses.
    """
    square = a * a
    square += b * b
    return np.asarray(np.sqrt(square, out=square))


def twice(values: Field) -> Field:
    """(2 H, 2 W), bilinear, extrapolated at the edges: a plane stays a plane."""
    height, width = values.shape
    fine = np.empty((2 * height, 2 * width), np.float32)
    run("spread", np.ascontiguousarray(values, np.float32), fine, height, width)
    return fine


def double(values: Field) -> Field:
    """Bicubic interpolation to twice the sides."""
    size = values.shape[1] * 2, values.shape[0] * 2
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_CUBIC), np.float32)
