"""A pair of made-up ground, to learn what pairs of its size cost."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.cameras import Intrinsics

_RELIEF = 0.06  # of the depth; half of it settled no pose in images of 64 and 80 px
_BASELINE = 0.12  # of the depth
_OCTAVES = 6
_MIRRORED = cv2.BORDER_REFLECT_101


class PracticePair(NamedTuple):
    """Two images and the camera of both.

    Attributes:
        left: (H, W) uint8.
        right: (H, W) uint8, from a camera that moved to the right by 12 % of the depth.
        intrinsics: Pixels of the images.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    intrinsics: Intrinsics


def practice_pair(width: int, height: int) -> PracticePair:
    """Rough ground under one light, the same every time.

    Args:
        width: Of both images, pixels.
        height: The same.
    """
    focal_px = 1.2 * max(width, height)
    rng = np.random.default_rng(0)
    ground, relief = (_fractal(rng, height, width) for _ in range(2))
    inverse_depth = (1 + _RELIEF * relief).astype(np.float32)
    columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in (width, height)))
    moved = np.float32(_BASELINE * focal_px) * inverse_depth
    left, right = (
        cv2.remap(ground, columns + side * moved / 2, rows, cv2.INTER_LINEAR, borderMode=_MIRRORED)
        for side in (-1, 1)
    )
    intrinsics = Intrinsics(focal_px, focal_px, width / 2, height / 2)
    return PracticePair(_grey(left), _grey(right), intrinsics)


def _fractal(rng: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """(H, W) noise of octaves, mean 0 and deviation 1."""
    total = np.zeros((height, width), np.float32)
    for octave in range(_OCTAVES):
        size = 3 * 2**octave
        noise = rng.standard_normal((size, size)).astype(np.float32)
        large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
        total += large / np.float32(1.6**octave)
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(128 + 40 * values, 1, 254), np.uint8)
