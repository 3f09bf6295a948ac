"""What is measured of an image pair, and which images cannot calibrate anything."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.grid_mapping import cropped
from lunar_runtime.inference.pair import check_texture
from numpy.typing import NDArray

from lunar_calib.sets.calibration_manifest import ImageStatistics

Image = NDArray[np.uint8]

MEASURED_SIDE_PX = 256
"""Images are measured at this size, so that statistics of different cameras compare."""

LEAST_SIDE_PX = 64
"""The smallest image that `lunar-calib render` makes; less is all interpolation."""

_SHADOW_OF_WHITE = 1 / 8
_WHITE = 254
_BLACK = 3

# 480 rendered, 24 StereoLunar and 4 Apollo images: at most 0.9 % white and 35 % black pixels.
_MOST_WHITE = 0.2
_MOST_BLACK = 0.97


def measure_pair(left: Image, right: Image) -> ImageStatistics:
    """Statistics of a pair; of each image, then their mean.

    Args:
        left: (H, W) uint8.
        right: (H, W) uint8.
    """
    side = MEASURED_SIDE_PX
    of_each = [_measure(cropped(image, side, side)[0]) for image in (left, right)]
    mean_grey, contrast, shadow, white, texture = np.mean(of_each, axis=0).tolist()
    return ImageStatistics(
        mean_grey=round(mean_grey, 2),
        contrast=round(contrast, 2),
        shadow=round(shadow, 4),
        white=round(white, 4),
        texture=round(texture, 3),
    )


def problem_of_image(image: Image, name: str) -> str | None:
    """Why an image cannot be part of a calibration set, in one line; None if it can.

    Args:
        image: (H, W) uint8.
        name: Of the image, for the line.
    """
    height, width = image.shape
    if min(height, width) < LEAST_SIDE_PX:
        return (
            f"{name}: {width}x{height} px is too small; both sides need {LEAST_SIDE_PX} px or more"
        )
    try:
        check_texture(image, name)
    except InputError as error:
        return str(error)
    black, white = float(np.mean(image <= _BLACK)), float(np.mean(image >= _WHITE))
    if black > _MOST_BLACK:
        return f"{name}: {black:.1%} of the pixels are black; check that the scene is lit"
    if white > _MOST_WHITE:
        return f"{name}: saturated ({white:.1%} of the pixels are white); check the exposure"
    return None


def pixel_sha256(image: Image) -> str:
    """SHA-256 of an image's size and grey pixels, whatever file they came from."""
    return hashlib.sha256(pixel_bytes(image)).hexdigest()


def pixel_bytes(image: Image) -> bytes:
    """Height and width in decimal digits, a newline, then the rows of a (H, W) uint8 image."""
    height, width = image.shape
    return f"{height} {width}\n".encode() + image.tobytes()


def _measure(image: Image) -> tuple[float, float, float, float, float]:
    grey = image.astype(np.float32)
    bright = float(np.percentile(image, 99))
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    return (
        float(grey.mean(dtype=np.float64)),
        float(grey.std(dtype=np.float64)),
        float(np.mean(grey < _SHADOW_OF_WHITE * bright)),
        float(np.mean(image >= _WHITE)),
        float(np.mean(np.hypot(across, down), dtype=np.float64)),
    )
