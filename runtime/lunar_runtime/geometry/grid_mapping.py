"""From an image of any size to the pixels of a grid, and back.

The grid is the network's input, or that of the results.

Convention: image coordinates are (x, y) with the top-left *corner* of the top-left pixel at (0, 0),
so that its centre is (0.5, 0.5). In these coordinates a crop is a subtraction and a resize is a
multiplication, with nothing left over.

How an image becomes the network's input, `network_frame` says.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.cameras import Intrinsics


class GridMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the pixels of a grid lie in the source image. All in pixels.

    Attributes:
        source_width: Columns of the image as given.
        source_height: Rows of the image as given.
        crop_x: Column at which the crop starts.
        crop_y: Row at which the crop starts.
        crop_width: Columns of the crop.
        crop_height: Rows of the crop.
        grid_width: Columns the crop was resized to.
        grid_height: Rows the crop was resized to.
    """

    source_width: int
    source_height: int
    crop_x: int
    crop_y: int
    crop_width: int
    crop_height: int
    grid_width: int
    grid_height: int

    @classmethod
    def whole(
        cls, source_height: int, source_width: int, window: Window | None = None
    ) -> GridMapping:
        """All of an image, or of a window of it, pixel by pixel."""
        x, y, width, height = window or Window(0, 0, source_width, source_height)
        return cls(
            source_width=source_width,
            source_height=source_height,
            crop_x=x,
            crop_y=y,
            crop_width=width,
            crop_height=height,
            grid_width=width,
            grid_height=height,
        )

    @classmethod
    def fit(
        cls, source_height: int, source_width: int, grid_height: int, grid_width: int
    ) -> GridMapping:
        """The largest central crop with the grid's aspect.

        Raises:
            InputError: A size is not positive.
        """
        if min(source_height, source_width, grid_height, grid_width) < 1:
            raise InputError(
                f"cannot map {source_width}x{source_height} px to "
                f"{grid_width}x{grid_height} px: sizes must be positive"
            )
        width, height = source_width, source_height
        if source_width * grid_height > grid_width * source_height:
            width = max(1, round(source_height * grid_width / grid_height))
        else:
            height = max(1, round(source_width * grid_height / grid_width))
        return cls(
            source_width=source_width,
            source_height=source_height,
            crop_x=(source_width - width) // 2,
            crop_y=(source_height - height) // 2,
            crop_width=width,
            crop_height=height,
            grid_width=grid_width,
            grid_height=grid_height,
        )

    def with_grid(self, height: int, width: int) -> GridMapping:
        """The same crop, on a grid of another size."""
        return msgspec.structs.replace(self, grid_height=height, grid_width=width)

    def within(self, height: int, width: int) -> GridMapping:
        """The same crop with its aspect, on the largest grid that is no larger than this."""
        zoom = min(width / self.crop_width, height / self.crop_height)
        return self.scaled(zoom)

    def scaled(self, zoom: float) -> GridMapping:
        """The same crop, on a grid of so many pixels per source pixel, rounded to whole ones."""
        rows, columns = round(self.crop_height * zoom), round(self.crop_width * zoom)
        return self.with_grid(max(1, rows), max(1, columns))

    @property
    def crop(self) -> tuple[int, int, int, int]:
        """Left, top, width and height of the crop, pixels of the image as given."""
        return self.crop_x, self.crop_y, self.crop_width, self.crop_height

    @property
    def source_size(self) -> tuple[int, int]:
        """Width and height of the image as given."""
        return self.source_width, self.source_height

    @property
    def scale_x(self) -> float:
        """Grid pixels per source pixel, along x."""
        return self.grid_width / self.crop_width

    @property
    def scale_y(self) -> float:
        """Grid pixels per source pixel, along y; differs from x by the rounding of the crop."""
        return self.grid_height / self.crop_height

    @property
    def _corner(self) -> NDArray[np.float64]:
        return np.array([self.crop_x, self.crop_y], np.float64)

    @property
    def _scale(self) -> NDArray[np.float64]:
        return np.array([self.scale_x, self.scale_y])

    def points_to_grid(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(…, 2) source coordinates to grid coordinates."""
        return (np.asarray(points, np.float64) - self._corner) * self._scale

    def points_to_source(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(…, 2) grid coordinates to source coordinates."""
        return np.asarray(points, np.float64) / self._scale + self._corner

    def to_grid(self, intrinsics: Intrinsics) -> Intrinsics:
        """The same camera, in pixels of the grid."""
        return Intrinsics(
            fx=intrinsics.fx * self.scale_x,
            fy=intrinsics.fy * self.scale_y,
            cx=(intrinsics.cx - self.crop_x) * self.scale_x,
            cy=(intrinsics.cy - self.crop_y) * self.scale_y,
        )

    def to_source(self, intrinsics: Intrinsics) -> Intrinsics:
        """The same camera, in pixels of the image as given."""
        return Intrinsics(
            fx=intrinsics.fx / self.scale_x,
            fy=intrinsics.fy / self.scale_y,
            cx=intrinsics.cx / self.scale_x + self.crop_x,
            cy=intrinsics.cy / self.scale_y + self.crop_y,
        )


class PairGrids(NamedTuple):
    """Where each image of a pair maps to; images of one size and one camera map alike.

    Attributes:
        left: Of the left image.
        right: Of the right image.
    """

    left: GridMapping
    right: GridMapping


def cropped(
    image: NDArray[np.uint8], height: int, width: int
) -> tuple[NDArray[np.uint8], GridMapping]:
    """The largest central part of a grey image that fills a grid, resized.

    Args:
        image: (h, w) uint8.
        height: Rows of the grid.
        width: Columns of the grid.

    Returns:
        (height, width) uint8, contiguous, and where its pixels lie in `image`.

    Raises:
        InputError: `image` is not a (h, w) uint8 array.
    """
    check_grey(image)
    mapping = GridMapping.fit(image.shape[0], image.shape[1], height, width)
    return resample(image, mapping), mapping


def check_grey(image: NDArray[Any]) -> None:
    """Refuse what is no grey image.

    Raises:
        InputError: `image` is not a (h, w) uint8 array.
    """
    if image.ndim != 2 or image.dtype != np.uint8:
        raise InputError(f"need a (h, w) uint8 grey image, not {image.dtype} {image.shape}")


def resample(
    image: NDArray[np.uint8], mapping: GridMapping, shown: Window | None = None
) -> NDArray[np.uint8]:
    """Crop and resize an image as a mapping says; shrinking averages, growing is linear.

    Args:
        image: (h, w) uint8.
        mapping: Its crop lies within `shown`.
        shown: Where `image` lies in the source image; None = it is all of it.
    """
    return np.asarray(_resampled(image, mapping, shown), np.uint8)


def resample_valid(
    valid: NDArray[np.bool_],
    mapping: GridMapping,
    shown: Window | None = None,
    most_invalid: float = 0.0,
) -> NDArray[np.bool_]:
    """Crop and resize a validity mask as a mapping says.

    A grid pixel is valid where all image pixels that `resample` makes it of are, or where at most
    a share `most_invalid` of it is not.
    """
    return np.asarray(_resampled((~valid).astype(np.float32), mapping, shown) <= most_invalid)


def _resampled(image: NDArray[Any], mapping: GridMapping, shown: Window | None) -> NDArray[Any]:
    height, width = mapping.grid_height, mapping.grid_width
    top, left = mapping.crop_y, mapping.crop_x
    if shown is not None:
        top, left = top - shown.y, left - shown.x
    crop = image[top : top + mapping.crop_height, left : left + mapping.crop_width]
    if crop.shape == (height, width):
        return np.ascontiguousarray(crop)
    shrinks = crop.shape[0] >= height and crop.shape[1] >= width
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(crop), (width, height), interpolation=mode)
