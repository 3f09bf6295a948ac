"""What monitors should see: damaged images, and an altimeter that is off."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]

#: An altimeter's height over the true one.
ALTIMETERS = {"altimeter 1.15": 1.15, "altimeter 1.2": 1.2, "altimeter 1.3": 1.3}
FROZEN = "frozen"


def _noise(sigma: float) -> Callable[[Image, np.random.Generator], Image]:
    return lambda image, rng: _grey(image + rng.normal(0, sigma, image.shape))


def _brighter(factor: float) -> Callable[[Image, np.random.Generator], Image]:
    return lambda image, _: _grey(image * factor)


def _flat(image: Image, _: np.random.Generator) -> Image:
    mean = float(image.mean())
    return _grey(mean + 0.1 * (image - mean))


def _grey(values: NDArray[np.floating]) -> Image:
    grey: Image = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return grey


#: Damage -> what it makes of the left image; the monitor of images should see each.
IMAGES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "noise 4": _noise(4.0),
    "noise 8": _noise(8.0),
    "contrast 0.1": _flat,
    "brightness 2": _brighter(2.0),
    "brightness 4": _brighter(4.0),
}
