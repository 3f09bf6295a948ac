"""Two images that can be a stereo pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.files.mask_files import read_mask
from lunar_runtime.files.window import Window, Windows
from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids, resample, resample_valid
from lunar_runtime.geometry.lens import Lens
from lunar_runtime.geometry.network_frame import NetworkFrame
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.undistort import undistort
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.inference.ground import level_counts, require_ground
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result_grids import result_grids
from lunar_runtime.masking.fixed import fixed_areas
from lunar_runtime.masking.mask import ValidPair
from lunar_runtime.masking.specks import without_specks

#: A path, or decoded values as `grey_from_array` takes them.
Image = str | Path | NDArray[Any]

#: Of the left and of the right image, as `read_mask` takes them; None = no mask.
Masks = tuple[Image | None, Image | None]

#: Of the left and of the right camera; None = a pinhole's.
Lenses = tuple[Lens | None, Lens | None]
NO_LENSES: Lenses = (None, None)

_MOST_INVALID = 0.5  # of a pixel of the network's grid; single dead pixels do not mislead it

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

    def result_grids(
        self, cameras: tuple[CameraEstimate, CameraEstimate], longest_px: int
    ) -> PairGrids:
        """The grids of the results; cameras are in pixels of the images as they are here.

        Raises:
            InputError: An image is too narrow.
        """
        focal_px = cameras[0].intrinsics.fx, cameras[1].intrinsics.fx
        return result_grids(self.wholes, focal_px, (self.left.name, self.right.name), longest_px)

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

    def greys(
        self, grids: PairGrids, lenses: Lenses = NO_LENSES
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(H, W) grey levels of each on its grid, undistorted."""
        left, right = (
            _on_grid(image, lens, grid)[0]
            for image, lens, grid in zip(self, lenses, grids, strict=True)
        )
        return left, right

    def valid(self, grids: PairGrids) -> ValidPair:
        """(H, W) bool of each on the network's grid: where at least half of a pixel is valid.

        Raises:
            InputError: Nothing is, in the part of an image that is used.
        """
        left, right = (
            None
            if image.valid is None
            else resample_valid(image.valid, grid, image.shown, _MOST_INVALID)
            for image, grid in zip(self, grids, strict=True)
        )
        for image, valid in zip(self, (left, right), strict=True):
            if valid is not None and not valid.any():
                raise InputError(
                    f"{image.name}: no pixel of the part that is used is valid; crop the image to "
                    "what it shows"
                )
        return left, right

    def views(
        self,
        grids: PairGrids,
        cameras: tuple[CameraEstimate, CameraEstimate],
        lenses: Lenses = NO_LENSES,
    ) -> Pair:
        """Each on its grid, undistorted, with its camera in pixels of it."""
        left, right = (
            _view(grey, camera, valid)
            for camera, (grey, valid) in zip(
                cameras,
                (_on_grid(*each) for each in zip(self, lenses, grids, strict=True)),
                strict=True,
            )
        )
        return Pair(left, right)

    def doubts(self) -> tuple[str, ...]:
        """What the files say of their images that makes them no camera's view."""
        sides = (("left", self.left), ("right", self.right))
        return tuple(f"the {side} image {note}" for side, image in sides for note in image.notes)


def read_pair(
    left: Image,
    right: Image,
    windows: Windows | None = None,
    masks: Masks = (None, None),
) -> ImagePair:
    """Read two images, or a window of each, and check that they can be a pair.

    What shows no ground that could be measured becomes invalid: see `masking`.

    Args:
        left: The left image.
        right: The right image.
        windows: The part of each that is wanted; None = all.
        masks: Beside them, of their own sizes: not 0 where the image may be used; None = no mask.

    Raises:
        InputError: An image or a mask cannot be read, or see `check_pair` and `require_ground`.
    """
    if isinstance(masks, np.ndarray) or len(masks) != 2:
        raise InputError("`masks` are two, the left image's and the right one's; None = no mask")
    (in_left, in_right), (over_left, over_right) = windows or (None, None), masks
    sides = (left, "left array", in_left, over_left), (right, "right array", in_right, over_right)
    pair = ImagePair(*at_once(lambda side: _read(*side), sides))
    check_pair(*pair, same_size=False)
    at_once(require_ground, pair)
    return _without_fixed(pair)


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
        known = image.pixels if image.valid is None else image.pixels[image.valid]
        check_texture(known, image.name)
    if np.array_equal(left.pixels, right.pixels):
        raise InputError(
            f"{right.name}: the same image as {left.name}, so there is no parallax; give the other "
            "image of the pair"
        )


def check_texture(pixels: NDArray[np.uint8], name: str) -> None:
    """Refuse an image in which nothing can be matched.

    Args:
        pixels: uint8, of any shape.
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


def _on_grid(
    image: GreyImage, lens: Lens | None, grid: GridMapping
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | None]:
    """Grey levels and validity; None = all are valid."""
    shown = image.shown
    if lens is not None:
        corner = shown.x, shown.y
        grey, valid = undistort(image.pixels, image.valid, lens, grid, corner)
        return grey, None if valid.all() else valid
    valid_here = None if image.valid is None else resample_valid(image.valid, grid, shown)
    return resample(image.pixels, grid, shown), valid_here


def _view(grey: NDArray[np.uint8], camera: CameraEstimate, valid: NDArray[np.bool_] | None) -> View:
    if valid is None:
        return View(grey, camera)
    closed = without_specks(valid)
    return View(grey, camera, closed, closed & ~valid)


def _whole(image: GreyImage) -> GridMapping:
    width, height = image.source_size
    return GridMapping.whole(height, width, image.window)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _read(image: Image, name: str, window: Window | None, mask: Image | None) -> GreyImage:
    given = None if mask is None else read_mask(mask)
    usable = None if given is None else given.usable
    if isinstance(image, np.ndarray):
        grey = grey_from_array(image, name, window, usable=usable, detect=True)
    else:
        grey = read_image(image, window, usable=usable, detect=True)
    return replace(grey, mask=None if given is None else given.source)


def _without_fixed(pair: ImagePair) -> ImagePair:
    """The pair less what is the same in both images although the ground moved."""
    left, right = pair
    if left.size != right.size:
        return pair
    fixed = fixed_areas((left.pixels, right.pixels), (left.valid, right.valid))
    if fixed is None:
        return pair
    return ImagePair(left.without("fixed", fixed), right.without("fixed", fixed))


def _deviation(pixels: NDArray[np.uint8]) -> float:
    counts = level_counts(pixels)  # exact, and without a float copy
    levels = np.arange(256)
    mean = float(counts @ levels) / pixels.size
    return float(np.sqrt(counts @ (levels - mean) ** 2 / pixels.size))
