"""Images that are darker towards their corners, as lenses make them, evened for the network.

A network was trained on images without it. What lies in dark corners comes out too flat, and beyond
the overlap its word is all there is. Matches and shading bear it: they compare what is near.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.least_squares import robust_fit
from lunar_runtime.inference.pair import ImagePair

_SIDE = 64  # pixels of what is looked at
_DARK_DN = 8.0
# Of the logarithm of the brightness, from the middle to the corners, in both images. 228 clean
# pairs have up to -0.94, one in twenty below this, as ground and its phase happen to fall. Corners
# of half the light have -0.9 to -0.6: three pairs missed 13 to 19 points more of the hazards, and 4
# to 9 with this. Of nine clean ones that it changes slopes are 1 % worse in the mean.
_LEAST_FALL = -0.4
# Clean pairs end at -0.84. With corners of 0.10 to 0.32 of the light, evened, three of ten pairs
# missed 15 to 23 points more of the hazards. Of 50 landings one ends at -1.24, between crater
# walls, of whose places called safe 8 % are hazardous; the others at -0.76.
_MOST_FALL = -1.1


def doubt_corners(images: ImagePair) -> tuple[str, ...]:
    """Whether both images lose so much light towards their corners that evening is not enough."""
    fall = max(fall_off(image.pixels) for image in images)
    if fall >= _MOST_FALL:
        return ()
    return (
        f"both images have {math.exp(fall):.0%} of their light in the corners, and slopes come out "
        "too flat there; take it out with the camera's flat field",
    )


def evened(
    left: NDArray[np.uint8], right: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both images with as bright corners as middles, where both fall off alike.

    Args:
        left: (H, W) grey levels.
        right: (H, W).
    """
    fall = max(fall_off(left), fall_off(right))
    return (left, right) if fall > _LEAST_FALL else (_without(left, fall), _without(right, fall))


def fall_off(grey: NDArray[np.uint8]) -> float:
    """By how much the logarithm of the brightness changes from the middle to the corners.

    Beside what changes from side to side.

    Args:
        grey: (H, W) grey levels.
    """
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    lit = small > _DARK_DN
    if np.count_nonzero(lit) < _SIDE:
        return 0.0
    y, x = np.mgrid[:_SIDE, :_SIDE] / (_SIDE / 2) + (1 / _SIDE - 1)
    terms = np.stack([np.ones_like(x), x, y, x * x - y * y, x * y, _square(x, y)])
    fit = robust_fit(terms[:, lit], np.log(small[lit]))
    return float(fit[-1])


def _without(grey: NDArray[np.uint8], fall: float) -> NDArray[np.uint8]:
    height, width = grey.shape
    y, x = (np.abs((np.arange(n, dtype=np.float32) + 0.5) * (2 / n) - 1) for n in (height, width))
    even = grey * np.exp(np.float32(-fall) * _square(x[None], y[:, None]))
    brightest = min(1.0, 255 / max(float(np.percentile(even, 99.9)), 1.0))
    levels = np.clip(np.rint(even * np.float32(brightest)), 0, 255)
    return np.asarray(levels, np.uint8)


def _square(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of the distance from the middle, 1 in the corners."""
    return (x * x + y * y) / 2
