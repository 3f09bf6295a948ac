"""Images for tests: texture at all scales, and its encoding."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 64


def texture(seed: int, height: int = SIZE, width: int = SIZE) -> NDArray[np.uint8]:
    """(height, width) uint8 with structure at all scales."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width))
    for sigma in (0.7, 2.0, 6.0):
        noise = cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigma)
        image += noise / noise.std()
    return np.clip(128 + 40 * image, 0, 255).astype(np.uint8)


def unsaturated(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same with half the contrast: nothing in it is at the end of the range."""
    return np.asarray(image // 2 + 64, np.uint8)


def encode(values: NDArray[Any], suffix: str, *parameters: int) -> bytes:
    done, data = cv2.imencode(suffix, values, parameters)
    assert done
    return data.tobytes()
