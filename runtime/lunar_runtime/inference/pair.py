"""Two images that can be a stereo pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.files.window import Window, Windows
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids, resample, resample_valid
from lunar_runtime.geometry.network_frame import NetworkFrame
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result_grids import result_grids

#: A path, or decoded values as `grey_from_array` takes them.
Image = str | Path | NDArray[Any]

# Of the standard deviation, in grey levels. The rounding of an 8-bit ramp has 0.3, one hot pixel in
# 512 × 512 black ones 0.5; the darkest StereoLunar frame has over 10.
_LEAST_CONTRAST = 0.6


class ImagePair(NamedTuple):
    """Two images as given that can be a stereo pair.

    Attributes:
        left: The left image.
        right: The right image.
    """

    left: GreyImage
    right: GreyImage

    @property
    def wholes(self) -> PairGrids:
        """Both, pixel by pixel."""
        return PairGrids(*(_whole(image) for image in self))

    def frames(self, height: int, width: int) -> tuple[NetworkFrame, NetworkFrame]:
        """Where both lie in a network's input of this size."""
        left, right = (NetworkFrame.fit(_whole(image), height, width) for image in self)
        return left, right

    def result_grids(self, cameras: tuple[CameraEstimate, CameraEstimate]) -> PairGrids:
        """The grids of the results; cameras are in pixels of the images as they are here.

        Raises:
            InputError: An image is too narrow.
        """
        focal_px = cameras[0].intrinsics.fx, cameras[1].intrinsics.fx
        return result_grids(self.wholes, focal_px, (self.left.name, self.right.name))

    def check_cameras(self, options: InferOptions, rig: Rig) -> None:
        """Refuse images of two sizes whose cameras are not told apart.

        Raises:
            InputError: Both cameras' intrinsics are needed, and not given.
        """
        if self.left.source_size == self.right.source_size:
            return
        if options.intrinsics is None and rig.left is not None and rig.right is not None:
            return
        left, right = _size(self.left.source_size), _size(self.right.source_size)
        raise InputError(
            f"{self.right.name}: {right} px, but {self.left.name} has {left}; images of two sizes "
            "need a `rig` with the intrinsics of left and of right, each in pixels of its own image"
            + (", and no `intrinsics` of both" if options.intrinsics is not None else "")
        )

    def greys(self, grids: PairGrids) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(H, W) grey levels of each on its grid."""
        left, right = (
            resample(image.pixels, grid, image.shown)
            for image, grid in zip(self, grids, strict=True)
        )
        return left, right

    def views(self, grids: PairGrids, cameras: tuple[CameraEstimate, CameraEstimate]) -> Pair:
        """Each on its grid, with its camera in pixels of it."""
        return Pair(
            _view(self.left, grids.left, cameras[0]), _view(self.right, grids.right, cameras[1])
        )

    def notes(self) -> Notes:
        """What the files say of their images that a user should know."""
        sides = (("left", self.left), ("right", self.right))
        return Notes.warn(*(f"the {side} image {n}" for side, image in sides for n in image.notes))


def read_pair(left: Image, right: Image, windows: Windows | None = None) -> ImagePair:
    """Read two images, or a window of each, and check that they can be a pair.

    Raises:
        InputError: An image cannot be read, or see `check_pair`.
    """
    in_left, in_right = windows or (None, None)
    pair = ImagePair(_read(left, "left array", in_left), _read(right, "right array", in_right))
    check_pair(*pair, same_size=False)
    return pair


def check_pair(left: GreyImage, right: GreyImage, *, same_size: bool = True) -> None:
    """Refuse two images from which no parallax can be seen.

    Args:
        left: The left image.
        right: The right image.
        same_size: Whether they must be of one size, as where their cameras are not known.

    Raises:
        InputError: An image has no texture, or both are the same image, or of two sizes.
    """
    if same_size and left.size != right.size:
        raise InputError(
            f"{right.name}: {_size(right.size)} px, but {left.name} has {_size(left.size)}; both "
            "images of a pair need the same size"
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
    shown = image.shown
    valid = None if image.valid is None else resample_valid(image.valid, grid, shown)
    return View(resample(image.pixels, grid, shown), camera, valid)


def _whole(image: GreyImage) -> GridMapping:
    width, height = image.source_size
    return GridMapping.whole(height, width, image.window)


def _read(image: Image, name: str, window: Window | None) -> GreyImage:
    if isinstance(image, np.ndarray):
        return grey_from_array(image, name, window)
    return read_image(image, window)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _deviation(pixels: NDArray[np.uint8]) -> float:
    counts = np.bincount(pixels.ravel(), minlength=256)  # exact, and without a float copy
    levels = np.arange(256)
    mean = float(counts @ levels) / pixels.size
    return float(np.sqrt(counts @ (levels - mean) ** 2 / pixels.size))
