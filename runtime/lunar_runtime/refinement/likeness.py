"""How alike two images are at every pixel, whatever the light: local means and contrasts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, half, resized, within

_NOISE_DN = 2.0  # contrast below this is noise: shadows and saturated ground stay grey
_CHANCE = 0.2  # local correlation below this happens between two patches of noise, as in shadow


def normalise(
    images: Sequence[Field], mask: NDArray[np.bool_], sigma_px: float
) -> list[tuple[Field, Field]]:
    """Local mean 0 and contrast 1 inside the mask; and the contrast, noise included."""
    weight = mask.astype(np.float32)
    total = blurred(half(weight), sigma_px / 2)
    total += np.float32(1e-3)
    found = []
    for image in images:
        here = image * weight
        mean = half(here)
        here *= image
        mean, square = (blurred(values, sigma_px / 2) for values in (mean, half(here)))
        mean /= total
        square /= total
        square -= mean**2
        np.maximum(square, 0, out=square)
        square += np.float32(_NOISE_DN**2)
        contrast = resized(np.sqrt(square, out=square), image.shape)
        normal = np.subtract(image, resized(mean, image.shape), out=here)
        normal /= contrast
        found.append((normal, contrast))
    return found


def correlate(a: Field, b: Field, mask: NDArray[np.bool_], sigma_px: float) -> Field:
    """Local correlation of two locally normalised images; 0 outside the mask."""
    a, b = within(a, mask), within(b, mask)
    power_a, power_b, product = (
        blurred(half(values), sigma_px / 2) for values in (a * a, b * b, a * b)
    )
    power_a *= power_b
    product /= np.sqrt(np.maximum(power_a, np.float32(1e-12), out=power_a), out=power_a)
    return within(resized(product, mask.shape), mask)


def support(correlation: Field) -> Field:
    """Weight in [0, 1] of what a patch says, by its correlation with the other image's."""
    share: Field = correlation - np.float32(_CHANCE)
    share *= np.float32(1 / (1 - _CHANCE))
    np.maximum(share, 0, out=share)
    np.square(share, out=share)
    return share
