"""Two images that can be a stereo pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.geometry.grid_mapping import GridMapping, resample, resample_valid
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.inference.ground import require_ground

#: A path, or decoded values as `grey_from_array` takes them.
Image = str | Path | NDArray[Any]

# Of the standard deviation, in grey levels. The rounding of an 8-bit ramp has 0.3, one hot pixel in
# 512 × 512 black ones 0.5; the darkest StereoLunar frame has over 10.
_LEAST_CONTRAST = 0.6


class ImagePair(NamedTuple):
    """Two images as given, of one size, that can be a stereo pair.

    Attributes:
        left: The left image.
        right: The right image.
    """

    left: GreyImage
    right: GreyImage

    def fit(self, height: int, width: int) -> GridMapping:
        """How both map to a grid of this size; see `GridMapping.fit`."""
        columns, rows = self.left.size
        return GridMapping.fit(rows, columns, height, width)

    def greys(self, grid: GridMapping) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(H, W) grey levels of both on a grid."""
        return resample(self.left.pixels, grid), resample(self.right.pixels, grid)

    def views(self, grid: GridMapping, cameras: tuple[CameraEstimate, CameraEstimate]) -> Pair:
        """Both on a grid, with their cameras in pixels of it."""
        return Pair(_view(self.left, grid, cameras[0]), _view(self.right, grid, cameras[1]))


def read_pair(left: Image, right: Image) -> ImagePair:
    """Read two images and check that they can be a pair.

    Raises:
        InputError: An image cannot be read, or see `check_pair` and `require_ground`.
    """
    pair = ImagePair(_read(left, "left array"), _read(right, "right array"))
    check_pair(*pair)
    for image in pair:
        require_ground(image)
    return pair


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


def _view(image: GreyImage, grid: GridMapping, camera: CameraEstimate) -> View:
    valid = None if image.valid is None else resample_valid(image.valid, grid)
    return View(resample(image.pixels, grid), camera, valid)


def _read(image: Image, name: str) -> GreyImage:
    return grey_from_array(image, name) if isinstance(image, np.ndarray) else read_image(image)


def _deviation(pixels: NDArray[np.uint8]) -> float:
    counts = np.bincount(pixels.ravel(), minlength=256)  # exact, and without a float copy
    levels = np.arange(256)
    mean = float(counts @ levels) / pixels.size
    return float(np.sqrt(counts @ (levels - mean) ** 2 / pixels.size))


def _size(image: GreyImage) -> str:
    return f"{image.size[0]}x{image.size[1]}"
