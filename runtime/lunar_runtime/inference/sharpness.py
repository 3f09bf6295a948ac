"""Is an image blurred? Blur takes away the small craters, and with them the hazards.

The images still match, pose and depth are right, and slopes come out too flat. So a blurred image
is a doubt, and so is one that is less sharp than the other.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.inference.pair import ImagePair

# Of images at a quarter of their size, over an eighth, the blurrier direction: of 50 StereoLunar,
# rendered and Apollo images two have 0.49, the others 0.56 and more; blurred by 2 px 0.41 to 0.57
# (0.5 in the median), by 3 px at most 0.46, by 4 px and more at most 0.44, round or along one axis.
_LEAST_SHARP = 0.48
# Second differences at half of the size over those at a quarter: the logarithm of one image's over
# the other's. Of 228 clean pairs, cameras at other heights too, one has 0.31, the others up to
# 0.15. Where medians, means or motion took detail from one image alone it is 0.2 to 0.8; one such
# pair missed 17 points more of the hazards.
_MOST_APART = 0.2
_SAME_SIZE = 1.1  # images of other sizes have other detail
_LARGEST_SIDE = 2048  # pixels: the middle tells it, without a copy of a large image
_LEAST_SIDE = 64  # pixels: of less, an eighth is nothing


def doubt_sharpness(images: ImagePair) -> tuple[str, ...]:
    """Which images of a pair are blurred, in words."""
    return tuple(
        f"the {side} image is blurred by 2 pixels or more, so slopes come out too flat"
        for side, image in zip(("left", "right"), images, strict=True)
        if sharpness(image) < _LEAST_SHARP
    )


def doubt_one_eye(images: ImagePair) -> tuple[str, ...]:
    """Whether one image of a pair is less sharp than the other, in words."""
    sizes = [max(image.source_size) for image in images]
    if max(sizes) > _SAME_SIZE * min(sizes):
        return ()
    left, right = (_fine_detail(image) for image in images)
    if not (left > 0 and right > 0) or abs(math.log(left / right)) < _MOST_APART:
        return ()
    side = "left" if left < right else "right"
    return (
        f"the {side} image is less sharp than the other: moved, out of focus or resampled, so "
        "that slopes come out too flat",
    )


def _fine_detail(image: GreyImage) -> float:
    """Second differences at half of the size over those at a quarter; 0 = too small to tell."""
    if min(image.size) < _LEAST_SIDE:
        return 0.0
    middle = middle_of(image.pixels).astype(np.float32)
    half, quarter = (
        cv2.resize(middle, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        for share in (0.5, 0.25)
    )
    fine, coarse = (
        float(np.mean(np.abs(cv2.Laplacian(one, cv2.CV_32F)))) for one in (half, quarter)
    )
    return fine / coarse if coarse > 0 else 0.0


def sharpness(image: GreyImage) -> float:
    """Second differences at a quarter of the size over those at an eighth; the blurrier direction.

    About 0.7 for ground, 0.3 for ground that is blurred; 1 for an image too small to tell.
    """
    if min(image.size) < _LEAST_SIDE:
        return 1.0
    middle = middle_of(image.pixels).astype(np.float32)
    quarter = cv2.resize(middle, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    eighth = cv2.resize(quarter, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    ratios = []
    for axis in (0, 1):
        fine, coarse = (float(np.mean(np.abs(np.diff(one, 2, axis)))) for one in (quarter, eighth))
        ratios.append(fine / coarse if coarse > 0 else 1.0)
    return min(ratios)


def middle_of(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w) of (H, W): at most 2048 pixels a side, which tell of a large image what all would."""
    top, left = (max(0, (side - _LARGEST_SIDE) // 2) for side in pixels.shape)
    return pixels[top : top + _LARGEST_SIDE, left : left + _LARGEST_SIDE]
