"""A planetary image that can be read in parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.validity import valid_values
from lunar_runtime.files.window import Window
from numpy.typing import NDArray

from lunar_ground.planetary.format_error import FormatError
from lunar_ground.planetary.layout import Layout
from lunar_ground.planetary.special_values import SpecialValues


@dataclass(frozen=True)
class PlanetaryImage:
    """What a label says of one image.

    Attributes:
        path: The file that was given.
        kind: `ISIS cube`, `PDS3 image` or `PDS4 image`.
        layout: Where its samples lie.
        special: Which of them are no measurements.
        scale: A value is `scale` times what is stored, plus `offset`.
        offset: See `scale`.
        files: The label's and the samples' file, or the one that is both.
        notes: What makes it no camera's view, in words.
        band: Which of the layout's bands, from 0.
    """

    path: Path
    kind: str
    layout: Layout
    special: SpecialValues
    scale: float
    offset: float
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    band: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.layout.samples, self.layout.lines

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Values and where they are measurements.

        Args:
            window: Inside the image.

        Returns:
            (h, w) values in native byte order: as stored, or float32 or float64 where they are
            scaled or of a type that images do not have; and (h, w) bool. Values that are no
            measurements are whatever was stored.

        Raises:
            InputError: The file ends too early.
        """
        try:
            numbers = self.layout.read(window, self.band)
        except (FormatError, OSError) as error:
            raise InputError(f"{self.path}: {error}") from error
        valid = self.special.valid(numbers)
        if self.scale == 1 and self.offset == 0:
            return _image_type(numbers), valid
        possible = valid_values(numbers)  # of what is stored: scaled, it would not be known again
        if possible is not None:
            valid &= possible
        kind = np.float64 if numbers.dtype.itemsize > 2 and numbers.dtype != "f4" else np.float32
        values = np.empty(numbers.shape, kind)
        with np.errstate(over="ignore", invalid="ignore"):
            for row, line in zip(values, numbers, strict=True):  # no float64 copy of it all
                row[:] = line.astype(np.float64) * self.scale + self.offset
        return values, valid


def check_scale(scale: float, offset: float) -> None:
    """Refuse a scale that leaves nothing of an image.

    Raises:
        FormatError: It is 0, or one of the two is not finite.
    """
    if scale == 0 or not (math.isfinite(scale) and math.isfinite(offset)):
        raise FormatError(f"scale {scale:g} with offset {offset:g} cannot be; correct the label")


def _image_type(numbers: NDArray[Any]) -> NDArray[Any]:
    if numbers.dtype == np.int8:
        return numbers.astype(np.int16)
    return (
        numbers.astype(np.float64)
        if numbers.dtype.kind in "iu" and numbers.itemsize > 2
        else numbers
    )
