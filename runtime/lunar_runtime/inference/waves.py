"""Does one wave run over both images, as over ploughed, woven or printed ground?

The Moon has no dunes: its ground has waves of every length and direction, none of them alone. A
wave of brightness lies on the ground in both images, so that they match, and slopes follow it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.geometry.fields import Field
from lunar_runtime.inference.echoes import LEAST_SIDE, detail_spectrum
from lunar_runtime.inference.pair import ImagePair

# Power of a wave and those beside it, over the mean around; and that of the next clearest one. Of
# 228 clean pairs the fainter of both images has up to 7.0, and 57 of them up to 1.75 times the
# next. Waves of 0.08 to 0.4 of the brightness and of 4 to 60 pixels are beyond both in 46 of 57
# pairs; two such pairs missed 18 and 29 points more of the hazards.
_MOST, _ALONE = 9.0, 1.5
_BESIDE = (3, 3)
_AROUND, _REACH = 8.0, 16  # of a spectrum, sigma and reach of the mean
_SHORTEST = 4  # waves in the image's side: fewer are shade
_FAINTEST = np.float32(1e-6)  # of the strongest
_SAME = 10.0  # in a spectrum: of one wave, seen from the side
_HARMONICS = (-2, -1, -0.5, 0.5, 1, 2)


class Wave(NamedTuple):
    """The clearest wave of an image.

    Attributes:
        over: How far it stands out of those like it; about 4 for ground, 0 = nothing is known.
        next: How far the next one does, apart from its harmonics.
    """

    over: float
    next: float

    @property
    def alone(self) -> bool:
        """Whether it stands out of all others."""
        return self.over > max(_MOST, _ALONE * self.next)


def doubt_waves(images: ImagePair) -> tuple[str, ...]:
    """Whether one wave stands out of both images, in words."""
    if not all(clearest_wave(image).alone for image in images):
        return ()
    return (
        "one wave runs over both images, as over ploughed, woven or printed ground, and slopes "
        "follow it",
    )


def clearest_wave(image: GreyImage) -> Wave:
    """The clearest wave of an image; nothing of one that is too small."""
    if min(image.size) < LEAST_SIDE:
        return Wave(0.0, 0.0)
    real, imaginary = detail_spectrum(image)
    power = np.asarray(cv2.boxFilter(real * real + imaginary * imaginary, -1, _BESIDE), np.float32)
    over = power / (_mean_around(power) + _FAINTEST * power.max() + np.float32(1e-20))
    down, across = (np.fft.fftfreq(n) * n for n in over.shape)
    over[np.hypot(down[:, None], across) <= _SHORTEST] = 0
    row, column = np.unravel_index(int(over.argmax()), over.shape)
    highest = float(over[row, column])
    for times in _HARMONICS:
        aside = np.hypot(down[:, None] - times * down[row], across - times * across[column])
        over[aside < _SAME] = 0
    return Wave(highest, float(over.max()))


def _mean_around(power: Field) -> Field:
    """(h, w) of a spectrum that comes round at its edges."""
    wide = cv2.copyMakeBorder(power, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_WRAP)
    wide = cv2.GaussianBlur(wide, (0, 0), _AROUND)
    return np.asarray(wide[_REACH:-_REACH, _REACH:-_REACH], np.float32)
