"""Pinhole cameras: intrinsics and the rays of their pixels.

Convention:
    Pixels: the centre of the top-left pixel is (0.5, 0.5), so an image spans [0, W] × [0, H]. (A
    tool whose top-left centre is (0, 0) gives a principal point that is 0.5 px smaller.)
    Axes (OpenCV): x right, y down, z forward.
    `b_from_a` maps points of frame a into frame b.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError, UsageError


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion.

    Attributes:
        fx: Focal length along x, in pixels.
        fy: Focal length along y, in pixels.
        cx: Principal point from the image's left edge, in pixels; see the module's convention.
        cy: Principal point from the image's top edge, in pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(value) for value in values):
            raise InputError(f"intrinsics must be finite, not {values}")
        if self.fx <= 0 or self.fy <= 0:
            raise InputError(f"focal lengths must be positive pixels, not {self.fx:g}, {self.fy:g}")

    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) camera matrix K: pixel ~ K @ point."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def field_deg(self, shape: tuple[int, int]) -> float:
        """Field of view of the side that has less, degrees.

        Args:
            shape: Height and width of the image, pixels.
        """
        sides = zip(shape, (self.fy, self.fx), strict=True)
        return min(2 * math.degrees(math.atan2(size / 2, focal)) for size, focal in sides)

    def scaled(self, horizontal: float, vertical: float) -> Intrinsics:
        """The same camera on a resized image.

        Args:
            horizontal: New width over the old one.
            vertical: The same of the height.
        """
        return Intrinsics(
            self.fx * horizontal, self.fy * vertical, self.cx * horizontal, self.cy * vertical
        )

    @classmethod
    def from_matrix(cls, K: ArrayLike) -> Intrinsics:
        """Take the intrinsics from a camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]].

        Raises:
            InputError: `K` is not such a matrix (a skew is not supported).
        """
        try:
            matrix = np.asarray(K, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("a camera matrix is 3 × 3 numbers") from error
        if matrix.shape != (3, 3):
            raise InputError(f"a camera matrix is 3 × 3, not {_shape_text(matrix)}")
        rest = np.array([matrix[0, 1], matrix[1, 0], *matrix[2]]) - [0, 0, 0, 0, 1]
        if not np.all(np.abs(rest) <= 1e-9):
            raise InputError(
                "a camera matrix is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; "
                f"skew and other entries are not supported: {matrix.tolist()}"
            )
        return cls(*(float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))

    @classmethod
    def parse(cls, text: str) -> Intrinsics:
        """Read "FX,FY,CX,CY", in pixels, as the command line takes it.

        Raises:
            UsageError: The text is anything else.
        """
        how = "write FX,FY,CX,CY in pixels, for example 618.04,618.04,256,256"
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError as error:
            raise UsageError(f"intrinsics {text!r} are not numbers; {how}") from error
        if len(values) != 4:
            raise UsageError(f"intrinsics {text!r} have {len(values)} numbers, not 4; {how}")
        try:
            return cls(*values)
        except InputError as error:
            raise UsageError(f"intrinsics {text!r}: {error}; {how}") from error


def pixel_rays(intrinsics: Intrinsics, height: int, width: int) -> NDArray[np.float32]:
    """The direction through every pixel's centre, scaled to z = 1.

    `depth[..., None] * pixel_rays(...)` is the pointmap of a depth image.

    Returns:
        (height, width, 3) float32, camera frame.

    Raises:
        InputError: The size is not positive.
    """
    if height <= 0 or width <= 0:
        raise InputError(f"an image has a positive size, not {height} × {width}")
    rays = np.empty((height, width, 3), dtype=np.float32)
    rays[..., 0] = (np.arange(width) + 0.5 - intrinsics.cx) / intrinsics.fx
    rays[..., 1] = ((np.arange(height) + 0.5 - intrinsics.cy) / intrinsics.fy)[:, None]
    rays[..., 2] = 1.0
    return rays


def _shape_text(array: NDArray[Any]) -> str:
    return " × ".join(str(size) for size in array.shape) or "a single number"
