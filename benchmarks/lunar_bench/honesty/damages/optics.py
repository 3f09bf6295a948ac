"""What a lens does to the brightness of an image: stray light, dark corners, one eye in motion."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.damages.detector import both_images, eight_bits
from lunar_bench.honesty.situation import Draw, Situation

_Image = NDArray[Any]


def stray_light(situation: Situation, draw: Draw) -> Situation:
    """A veil that falls off over the image, or a glow: the same in both images, or other ones."""
    strength, own = draw.uniform(0.05, 0.6), draw.chance(0.5)
    shape = draw.one_of("ramp", "glow")

    def veil() -> _Image:
        height, width = situation.left.shape
        rows, columns = np.mgrid[:height, :width] / max(height, width)
        if shape == "ramp":
            turned = draw.uniform(0, 2 * np.pi)
            along = np.cos(turned) * columns + np.sin(turned) * rows
            return np.asarray((along - along.min()) / np.ptp(along))
        x, y, wide = draw.uniform(0, 1), draw.uniform(0, 1), draw.log_uniform(0.05, 0.5)
        return np.asarray(np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * wide**2)))

    first = veil()
    veils = first, veil() if own else first
    left, right = (
        eight_bits(image + strength * float(image.max()) * light)
        for image, light in zip((situation.left, situation.right), veils, strict=True)
    )
    return situation.having(left=left, right=right).noting(
        strength=strength, shape=shape, veils="other" if own else "the same"
    )


def vignetting(situation: Situation, draw: Draw) -> Situation:
    """Corners that are darker, of both images alike."""
    corner = draw.uniform(0.1, 0.8)
    height, width = situation.left.shape
    rows, columns = np.mgrid[:height, :width] + 0.5
    radius = np.hypot(columns - width / 2, rows - height / 2) / np.hypot(width / 2, height / 2)
    gain = 1 / (1 + (corner**-0.5 - 1) * radius**2) ** 2
    return both_images(situation, lambda image: image * gain).noting(corner=corner)


def smeared_eye(situation: Situation, draw: Draw) -> Situation:
    """The right image alone was taken while the camera moved: evenly, in any direction."""
    length, turned = draw.log_uniform(1.5, 20), draw.uniform(0, np.pi)
    side = 2 * int(np.ceil(length / 2)) + 3
    kernel = np.zeros((side, side))
    for t in np.linspace(-0.5, 0.5, 16 * side):
        x = side // 2 + t * length * np.cos(turned)
        y = side // 2 + t * length * np.sin(turned)
        left, top = int(x), int(y)
        right, low = x - left, y - top
        kernel[top : top + 2, left : left + 2] += np.outer([1 - low, low], [1 - right, right])
    smeared = cv2.filter2D(situation.right.astype(np.float64), -1, kernel / kernel.sum())
    return situation.having(right=eight_bits(smeared)).noting(length_px=length)
