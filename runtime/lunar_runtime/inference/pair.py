"""Two images that can be a stereo pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage

# Of the standard deviation, in grey levels. The rounding of an 8-bit ramp has 0.3, one hot pixel in
# 512 × 512 black ones 0.5; the darkest StereoLunar frame has over 10.
_LEAST_CONTRAST = 0.6


def check_pair(left: GreyImage, right: GreyImage) -> None:
    """Refuse two images from which no parallax can be seen.

    Raises:
        InputError: The sizes differ, an image has no texture, or both are the same image.
    """
    if left.size != right.size:
        raise InputError(
            f"{right.name}: {_size(right)} px, but {left.name} has {_size(left)}; both images of a "
            "pair need the same size"
        )
    for image in (left, right):
        check_texture(image.pixels, image.name)
    if np.array_equal(left.pixels, right.pixels):
        raise InputError(
            f"{right.name}: the same image as {left.name}, so there is no parallax; give the other "
            "image of the pair"
        )


def check_texture(pixels: NDArray[np.uint8], name: str) -> None:
    """Refuse an image in which nothing can be matched.

    Args:
        pixels: (h, w) uint8.
        name: Named in the error.

    Raises:
        InputError: All its pixels have next to the same grey level.
    """
    contrast = _deviation(pixels)
    if contrast >= _LEAST_CONTRAST:
        return
    mean = float(pixels.mean())
    looks = "black" if mean < 4 else "white" if mean > 251 else "one grey level"
    raise InputError(
        f"{name}: no texture (all {looks}, contrast {contrast:.2f} grey levels); check the "
        "exposure and that the scene is lit"
    )


def _deviation(pixels: NDArray[np.uint8]) -> float:
    counts = np.bincount(pixels.ravel(), minlength=256)  # exact, and without a float copy
    levels = np.arange(256)
    mean = float(counts @ levels) / pixels.size
    return float(np.sqrt(counts @ (levels - mean) ** 2 / pixels.size))


def _size(image: GreyImage) -> str:
    return f"{image.size[0]}x{image.size[1]}"
