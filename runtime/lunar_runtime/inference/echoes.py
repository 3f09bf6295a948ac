"""Does an image hold a second one of itself, as a reflection in a window or two frames averaged do?

Both images of a pair have the echo at the same place of the detector. So they still match, pose and
depth are right, and the echo lies on the brightness that slopes are read from. It comes back at one
single shift, or of an image turned by 180 degrees about one single point, as lenses reflect. Ground
never does: no crater is the copy of another one.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.grey_image import GreyImage
from lunar_runtime.geometry.fields import Field
from lunar_runtime.inference.pair import ImagePair

# Correlation at the best place over its deviation at all of them, each wavelength weighed alike.
# 176 clean images, StereoLunar and rendered, have up to 8 of either, windows of them and JPEG up to
# 10.5. An echo of a tenth of the brightness has 10 to 19 shifted and 28 to 47 turned, of a fifth 25
# and 70 up. With echoes of 0.18 to 0.37 three pairs missed 22 to 44 points more of the hazards.
_MOST_SHIFTED, _MOST_TURNED = 14.0, 20.0
_LONGER_PX = 256  # of what is looked at; half of that is too coarse, all of it no better
LEAST_SIDE = 64  # pixels: of less, chance makes peaks
_NEAREST_PX = 3.0  # of what is looked at: a nearer echo is blur
_DETAIL_PX, _CONTRAST_PX = 4.0, 8.0  # sigmas of what is taken away and divided out
_DARK_DN = 8.0  # a mean below it is shadow, where single lit rims make a likeness by chance
_CLIPPED = 2.5  # deviations
_SPECTRUM_PX = 4.0  # sigma of the smoothing that says how strong a wavelength is
_REACH = 16  # of its filter


def doubt_echoes(images: ImagePair) -> tuple[str, ...]:
    """Which images of a pair hold a second one of themselves, in words."""
    doubts = []
    for side, image in zip(("left", "right"), images, strict=True):
        shifted, turned = echoes(image)
        how = "shifted" if shifted > _MOST_SHIFTED else "turned" if turned > _MOST_TURNED else ""
        if how:
            doubts.append(
                f"the {side} image holds a second one of itself, {how}: a reflection, or two "
                "frames averaged; slopes follow it"
            )
    return tuple(doubts)


def echoes(image: GreyImage) -> tuple[float, float]:
    """How far an image's likeness to itself stands out, shifted and turned by 180 degrees.

    About 5 for ground; 0 for an image too small to tell.
    """
    if min(image.size) < LEAST_SIDE:
        return 0.0, 0.0
    real, imaginary = detail_spectrum(image)
    power = real * real + imaginary * imaginary
    typical = _smoothed(power)
    nothing = np.zeros_like(power)
    shifted = _over(cv2.merge([power / typical, nothing]), least_px=_NEAREST_PX)
    turned = _over(
        cv2.merge([(real * real - imaginary * imaginary) / typical, 2 * real * imaginary / typical])
    )
    return shifted, turned


def detail_spectrum(image: GreyImage) -> tuple[Field, Field]:
    """(h, w) real and imaginary part of the detail's spectrum, of at most 256 pixels a side."""
    spectrum = cv2.dft(_detail(image), flags=cv2.DFT_COMPLEX_OUTPUT)
    real, imaginary = (np.asarray(spectrum[..., i], np.float32) for i in range(2))
    return real, imaginary


def _detail(image: GreyImage) -> Field:
    """(h, w) detail of the brightness, alike in contrast; 0 at the edges and where invalid."""
    width, height = image.size
    shrink = min(1.0, _LONGER_PX / max(height, width))
    size = max(2, round(width * shrink)), max(2, round(height * shrink))
    small = cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    mean = cv2.GaussianBlur(small, (0, 0), _DETAIL_PX)
    small -= mean
    window = np.asarray(cv2.createHanningWindow(size, cv2.CV_32F), np.float32)
    window *= mean > _DARK_DN
    if image.valid is not None:
        seen = cv2.resize(image.valid.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
        side = 2 * round(2 * _DETAIL_PX) + 1  # its edge is a detail too
        window *= np.asarray(cv2.erode(seen, np.ones((side, side), np.uint8)), np.float32)
        small *= window > 0
    contrast = cv2.sqrt(cv2.GaussianBlur(small * small, (0, 0), _CONTRAST_PX))
    return np.asarray(np.clip(small / (contrast + 1), -_CLIPPED, _CLIPPED) * window, np.float32)


def _smoothed(power: Field) -> Field:
    """(h, w) of a spectrum that comes round at its edges."""
    wide = cv2.copyMakeBorder(power, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_WRAP)
    wide = cv2.GaussianBlur(wide, (0, 0), _SPECTRUM_PX)
    inner = wide[_REACH:-_REACH, _REACH:-_REACH]
    return np.asarray(np.maximum(inner, np.float32(1e-6) * power.max()) + np.float32(1e-20))


def _over(spectrum: NDArray[Any], least_px: float = 0.0) -> float:
    """The largest value over all of their deviation; near 0, none."""
    values = cv2.idft(spectrum, flags=cv2.DFT_SCALE)[..., 0]
    if least_px:
        down, across = (np.minimum(np.arange(n), n - np.arange(n)) for n in values.shape)
        values = values[np.hypot(down[:, None], across) > least_px]
    deviation = float(values.std())
    return float(np.abs(values).max()) / deviation if deviation > 0 else 0.0
