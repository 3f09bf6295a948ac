"""Does an image have stripes along its rows or columns? Then slopes follow them.

A detector that reads line by line adds what its electronics hum, and whole lines get brighter and
darker with one period. Ground has no line in the spectrum of its rows' mean brightness. Both images
have the same period, so stripes fall on each other through the surface, matches stay on their
epipolar lines, and nothing later sees them.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.sharpness import middle_of

# Of the brightness, and over the median of the periods beside it. 144 StereoLunar and rendered
# images of 512 and 256 px and as many quarters of them have up to 7.3, no pair the same twice, four
# frames of Apollo film none. Of stripes of 0.01 two in three have over 9; of nine pairs one then
# missed 36 points more of the hazards, with 0.02 three, one of them by a slope error 7 times as
# large. Textures made of a hundred waves have 20, in other periods in each image.
_LEAST_AMPLITUDE, _LEAST_OVER, _LEAST_OVER_ALONE = 0.007, 8.0, 30.0
_OTHER_PERIOD = 0.05
_LEAST_SIDE = 256  # pixels
# Longer ones are told from ground no more: of the image's side, and pixels.
_LONGEST, _LONGEST_PX = 1 / 16, 24.0
_SMOOTH_PX = 12.0
_BESIDE = 12  # periods on either side
# Stripes are alike from end to end: the mean of what quarters of the lines show, over the mean of
# its sizes. Waves of the ground that happen to run along rows drift.
_PARTS, _IN_STEP = 4, 0.8
_DARKEST = 1.0  # grey levels: a share of less is none


class Stripes(NamedTuple):
    """The clearest stripes of an image.

    Attributes:
        amplitude: Of the brightness, relative.
        period_px: From one to the next.
        over: Their amplitude over the median of the periods beside theirs.
        along: What they run along, `rows` or `columns`.
    """

    amplitude: float
    period_px: float
    over: float
    along: str

    def both(self, other: Stripes) -> bool:
        """Whether both are stripes, of one camera."""
        longer, shorter = sorted((self.period_px, other.period_px), reverse=True)
        alike = self.along == other.along and longer < (1 + _OTHER_PERIOD) * shorter
        return alike and min(self.over, other.over) > _LEAST_OVER

    def words(self) -> str:
        """For a user."""
        return (
            f"stripes along {self.along} ({self.amplitude:.1%} of the brightness, every "
            f"{self.period_px:.1f} pixels), and slopes follow them"
        )


def doubt_stripes(images: ImagePair) -> tuple[str, ...]:
    """What stripes a pair has, in words."""
    left, right = (find_stripes(image) for image in images)
    if left is not None and right is not None and left.both(right):
        return (f"both images have {left.words()}",)
    return tuple(
        f"the {side} image has {found.words()}"
        for side, found in (("left", left), ("right", right))
        if found is not None and found.over > _LEAST_OVER_ALONE
    )


def find_stripes(image: GreyImage) -> Stripes | None:
    """The clearest ones, however faint beside the ground; None = none at all, or too small.

    Args:
        image: As given: resampled stripes have other periods.
    """
    if min(image.size) < _LEAST_SIDE:
        return None
    pixels = middle_of(image.pixels)
    valid = None if image.valid is None else middle_of(image.valid.astype(np.uint8))
    found = [
        one
        for along, axis in (("rows", 1), ("columns", 0))
        if (one := _along(pixels, valid, axis, along)) is not None
    ]
    return max(found, key=lambda one: one.over, default=None)


def _along(
    pixels: NDArray[np.uint8], valid: NDArray[np.uint8] | None, axis: int, along: str
) -> Stripes | None:
    count = pixels.shape[1 - axis]
    first = int(np.ceil(max(count / _LONGEST_PX, 1 / _LONGEST)))
    waves = _waves(pixels, valid, axis)[:, first:]
    amplitude = np.asarray(np.abs(waves.mean(axis=0)), np.float64)
    padded = np.pad(amplitude, _BESIDE, mode="reflect")
    beside = np.lib.stride_tricks.sliding_window_view(padded, 2 * _BESIDE + 1)
    typical = np.asarray(np.median(beside, axis=-1), np.float64)
    over = np.asarray(amplitude / np.maximum(typical, 1e-9), np.float64)
    over[amplitude < _LEAST_AMPLITUDE] = 0
    over[amplitude < _IN_STEP * np.abs(waves).mean(axis=0)] = 0
    best = int(np.argmax(over))
    if not over[best]:
        return None
    return Stripes(float(amplitude[best]), count / (first + best), float(over[best]), along)


def _waves(
    pixels: NDArray[np.uint8], valid: NDArray[np.uint8] | None, axis: int
) -> NDArray[np.complex128]:
    """(n, F) waves from line to line in the parts of the image that lines run across."""
    found = []
    for part in np.array_split(np.arange(pixels.shape[axis]), _PARTS):
        chosen = (slice(None),) * axis + (slice(part[0], part[-1] + 1),)
        brightness = _means(pixels[chosen], None if valid is None else valid[chosen], axis)
        smooth = cv2.GaussianBlur(brightness, (0, 0), _SMOOTH_PX, borderType=cv2.BORDER_REFLECT)
        relative = (brightness / np.maximum(smooth, _DARKEST) - 1)[:, 0]
        window = np.hanning(len(relative))
        found.append(2 * np.fft.rfft(relative * window) / window.sum())
    return np.asarray(found, np.complex128)


def _means(
    pixels: NDArray[np.uint8], valid: NDArray[np.uint8] | None, axis: int
) -> NDArray[np.float64]:
    """(N, 1) of every line; of lines that are mostly hidden, between those beside."""
    if valid is None:
        mean = cv2.reduce(pixels, axis, cv2.REDUCE_AVG, dtype=cv2.CV_64F)
        return np.asarray(mean.reshape(-1, 1), np.float64)
    total, known = (
        cv2.reduce(values, axis, cv2.REDUCE_SUM, dtype=cv2.CV_64F).ravel()
        for values in (pixels * valid, valid)
    )
    seen = np.flatnonzero(known >= pixels.shape[axis] / 2)
    if not len(seen):
        return np.zeros((len(known), 1))
    of_all = np.interp(np.arange(len(known)), seen, total[seen] / known[seen])
    return np.asarray(of_all, np.float64)[:, None]
