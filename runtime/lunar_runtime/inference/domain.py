"""Is an image like those that the accuracy was measured on?

Contrast, noise, what is burnt out or black. Blur is `sharpness`'; that there is ground at all is
`ground`'s. An image beside these is no error: its result is a guess.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.geometry.robust import middle
from lunar_runtime.inference.alarm import Alarm
from lunar_runtime.inference.ground import level_counts
from lunar_runtime.inference.pair import ImagePair

_LARGEST_SIDE = 1024  # pixels: the middle of a larger image tells it
_BURNT, _BLACK = 254, 1  # grey levels
_NOISE = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)  # 0 on any quadratic surface
_NOISE_GAIN = 6.0  # of it, on independent noise of deviation 1
_GAUSSIAN = 0.6745  # median of |x|


class ImageStatistics(NamedTuple):
    """Of an image's valid pixels.

    Attributes:
        contrast: Standard deviation, grey levels.
        noise: Its pixel-to-pixel part, grey levels: of ground too, where it is rough.
        burnt: Share of the pixels of 254 and more.
        black: Share of the pixels of 1 and less.
    """

    contrast: float
    noise: float
    burnt: float
    black: float


#: Least contrast, and the most of the others.
# 1424 clean images, StereoLunar and rendered: contrast 6 to 75, noise up to 3.7 (scanned film 2.7),
# up to 1 % burnt and 54 % black; set with margin, 2006 other images are all inside. With noise of 8
# grey levels every image is beyond (137), doubled in brightness two of three.
BOUNDS = ImageStatistics(contrast=5.0, noise=4.5, burnt=0.015, black=0.6)


def watch_domain(images: ImagePair) -> tuple[Alarm, ...]:
    """Images of a pair that are beside what the accuracy was measured on."""
    alarms = []
    for side, image in zip(("left", "right"), images, strict=True):
        seen = _beyond(image_statistics(image))
        if seen is not None:
            alarms.append(Alarm("domain", f"the {side} image is {seen}"))
    return tuple(alarms)


def _beyond(found: ImageStatistics) -> str | None:
    if found.contrast < BOUNDS.contrast:
        return f"nearly even (contrast {found.contrast:.1f} grey levels)"
    if found.noise > BOUNDS.noise:
        return f"noisy ({found.noise:.1f} grey levels from pixel to pixel)"
    if found.burnt > BOUNDS.burnt:
        return f"burnt out ({found.burnt:.1%} of its pixels)"
    if found.black > BOUNDS.black:
        return f"mostly black ({found.black:.0%} of its pixels)"
    return None


def image_statistics(image: GreyImage) -> ImageStatistics:
    """See `ImageStatistics`; about 1 ms for 512 × 512."""
    top, left = (max(0, (side - _LARGEST_SIDE) // 2) for side in image.pixels.shape)
    centre = (slice(top, top + _LARGEST_SIDE), slice(left, left + _LARGEST_SIDE))
    pixels = image.pixels[centre]
    valid = None if image.valid is None else image.valid[centre]
    known = pixels if valid is None or not valid.any() else pixels[valid]
    counts = level_counts(known)
    shares, levels = counts / counts.sum(), np.arange(256)
    mean = float(shares @ levels)
    rough = np.abs(cv2.filter2D(pixels, cv2.CV_32F, _NOISE))
    return ImageStatistics(
        contrast=float(np.sqrt(shares @ (levels - mean) ** 2)),
        noise=middle(rough[::2, ::2]) / _GAUSSIAN / _NOISE_GAIN,
        burnt=float(shares[_BURNT:].sum()),
        black=float(shares[: _BLACK + 1].sum()),
    )
