"""An image as 8-bit grey, with the pixels that are no measurement and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window
from lunar_runtime.masking.mask import REASONS, Mask

MIN_SIDE_PX = 32
MAX_PIXELS = 100_000_000
MIN_VALID_FRACTION = 0.1


class MaskSource(NamedTuple):
    """A mask that was given beside an image.

    Attributes:
        name: Path it was read from, or `array`.
        sha256: Of the file; None for an array.
    """

    name: str
    sha256: str | None


@dataclass(frozen=True)
class GreyImage:
    """An image, ready for the network's preprocessing.

    Attributes:
        pixels: (h, w) uint8.
        name: Path it was read from, or `array`.
        dtype: Of the values as given.
        channels: As given, alpha included.
        stretch: (low, high) values that became 0 and 255; None for 8-bit images.
        sha256: Of the file, or of a label's file and its pixels' one after the other; None for an
            array, and where only parts of the file were read.
        valid: (h, w) bool, False where a pixel is no measurement; None = all are. Invalid pixels
            have the median grey of the valid ones.
        mask: What was given beside the image; None = nothing.
        masked: Why pixels are invalid -> share of the image; see `masking.mask.REASONS`.
        repaired: Share of the image that was hot or dead pixels; see `masking.defects`.
        window: Where the pixels lie in the image as given; None = they are all of it.
        whole: Width and height of the image as given; None = as `size`.
        notes: What its file says that makes it no camera's view; each begins with a verb.
    """

    pixels: NDArray[np.uint8]
    name: str
    dtype: str
    channels: int
    stretch: tuple[float, float] | None
    sha256: str | None = None
    valid: NDArray[np.bool_] | None = None
    mask: MaskSource | None = None
    masked: Mapping[str, float] = field(default_factory=dict)
    repaired: float = 0.0
    window: Window | None = None
    whole: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def source_size(self) -> tuple[int, int]:
        """Width and height of the image as given."""
        return self.size if self.whole is None else self.whole

    @property
    def shown(self) -> Window:
        """Where the pixels lie in the image as given."""
        return Window(0, 0, *self.size) if self.window is None else self.window

    @property
    def valid_fraction(self) -> float:
        """Share of the pixels that are measurements."""
        return 1.0 if self.valid is None else float(self.valid.mean())

    def without(self, reason: str, invalid: NDArray[np.bool_]) -> GreyImage:
        """The same, less what is invalid for one more reason.

        Raises:
            InputError: Less than 10 % is left.
        """
        mask = Mask(self.valid, self.masked).without(reason, invalid)
        if mask.valid is None:
            return self
        check_valid(self.name, mask)
        pixels = self.pixels.copy()
        pixels[~mask.valid] = round(float(np.median(pixels[mask.valid])))
        return dataclasses.replace(self, pixels=pixels, valid=mask.valid, masked=mask.shares)


def check_valid(name: str, mask: Mask) -> None:
    """Refuse an image of which too little is valid.

    Raises:
        InputError: Less than 10 %.
    """
    fraction = 1.0 if mask.valid is None else float(mask.valid.mean())
    if fraction < MIN_VALID_FRACTION:
        why = "; ".join(f"{share:.1%} {REASONS[reason]}" for reason, share in mask.shares.items())
        raise InputError(
            f"{name}: only {fraction:.1%} of the pixels are valid (masked: {why}), and "
            f"{MIN_VALID_FRACTION:.0%} are needed; crop the image to what it shows"
        )


def check_size(
    name: str, width: int, height: int, instead: str = "crop or shrink it first"
) -> None:
    """Refuse an image that is too small to match or too large to hold.

    Args:
        name: Named in the error.
        width: Pixels.
        height: Pixels.
        instead: What to do about one that is too large.

    Raises:
        InputError: Under 32 px a side, or over 100 megapixels.
    """
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {width}x{height} px is too small; both sides need {MIN_SIDE_PX} px or more"
        )
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: {width}x{height} px is over 100 megapixels; {instead}")
