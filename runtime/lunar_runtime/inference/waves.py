"""Does one wave run over both images, as over ploughed, woven or printed ground?

The Moon has no dunes: its ground has waves of every length and direction, none of them alone. A
wave of brightness lies on the ground in both images, so that they match, and slopes follow it.
"""

from __future__ import annotations

import cv2
import numpy as np

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.geometry.fields import Field
from lunar_runtime.inference.echoes import LEAST_SIDE, detail_spectrum
from lunar_runtime.inference.pair import ImagePair

# Power of a wave and those beside it, over the mean around; the fainter of both images. Of 228
# clean pairs the median has 4.2, the largest 7.0. Waves of 0.08 to 0.4 of the brightness and of 4
# to 60 pixels have 9 and more in 46 of 57 pairs; two such pairs missed 18 and 29 points more of
# the hazards.
_MOST = 9.0
_BESIDE = (3, 3)
_AROUND, _REACH = 8.0, 16  # of a spectrum, sigma and reach of the mean
_SHORTEST = 4  # waves in the image's side: fewer are shade
_FAINTEST = np.float32(1e-6)  # of the strongest


def doubt_waves(images: ImagePair) -> tuple[str, ...]:
    """Whether one wave stands out of both images, in words."""
    if min(wave(image) for image in images) <= _MOST:
        return ()
    return (
        "one wave runs over both images, as over ploughed, woven or printed ground, and slopes "
        "follow it",
    )


def wave(image: GreyImage) -> float:
    """How far the clearest wave stands out of those like it; about 4 for ground, 0 = too small."""
    if min(image.size) < LEAST_SIDE:
        return 0.0
    real, imaginary = detail_spectrum(image)
    power = np.asarray(cv2.boxFilter(real * real + imaginary * imaginary, -1, _BESIDE), np.float32)
    over = power / (_mean_around(power) + _FAINTEST * power.max() + np.float32(1e-20))
    down, across = (np.minimum(np.arange(n), n - np.arange(n)) for n in over.shape)
    return float(over[np.hypot(down[:, None], across) > _SHORTEST].max())


def _mean_around(power: Field) -> Field:
    """(h, w) of a spectrum that comes round at its edges."""
    wide = cv2.copyMakeBorder(power, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_WRAP)
    wide = cv2.GaussianBlur(wide, (0, 0), _AROUND)
    return np.asarray(wide[_REACH:-_REACH, _REACH:-_REACH], np.float32)
