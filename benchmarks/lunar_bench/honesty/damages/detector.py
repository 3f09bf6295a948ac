"""What a detector, a lens or a compressor does to both images; the ground stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.situation import Draw, Situation

_Image = NDArray[Any]


def noise(situation: Situation, draw: Draw) -> Situation:
    """Gaussian noise, other in each image."""
    sigma = draw.log_uniform(2, 40)
    found = both_images(situation, lambda image: image + draw.rng.normal(0, sigma, image.shape))
    return found.noting(noise_dn=sigma)


def blur(situation: Situation, draw: Draw) -> Situation:
    """Out of focus, or smeared by motion; one image or both."""
    sigma = draw.uniform(1, 6)
    along = draw.chance(0.3)
    both = draw.chance(0.6)

    def blurred(image: _Image) -> _Image:
        return cv2.GaussianBlur(image, (0, 0), sigma, sigmaY=0.1 if along else sigma)

    right = eight_bits(blurred(situation.right))
    left = eight_bits(blurred(situation.left)) if both else situation.left
    found = situation.having(left=left, right=right)
    return found.noting(
        sigma_px=sigma, way="along rows" if along else "round", images="both" if both else "right"
    )


def few_bits(situation: Situation, draw: Draw) -> Situation:
    """Two to five bits."""
    bits = int(draw.rng.integers(2, 6))
    step = 256 >> bits
    return both_images(situation, lambda image: image // step * step).noting(bits=bits)


def dark(situation: Situation, draw: Draw) -> Situation:
    """Hardly exposed: a few grey levels, and the detector's noise."""
    top, sigma = draw.uniform(5, 40), draw.uniform(0.5, 2)
    found = both_images(
        situation, lambda image: image * (top / 255) + draw.rng.normal(1, sigma, image.shape)
    )
    return found.noting(brightest_dn=top, noise_dn=sigma)


def saturation(situation: Situation, draw: Draw) -> Situation:
    """Exposed for too long; each image by its own."""
    gains = [draw.uniform(1.5, 6) for _ in "LR"]
    left, right = (
        eight_bits(image.astype(np.float32) * gain)
        for image, gain in zip((situation.left, situation.right), gains, strict=True)
    )
    share = float(np.mean(left == 255))
    found = situation.having(left=left, right=right)
    return found.noting(gain_left=gains[0], gain_right=gains[1], saturated_left=share)


def jpeg(situation: Situation, draw: Draw) -> Situation:
    """JPEG of low quality."""
    quality = int(draw.rng.integers(3, 31))

    def pressed(image: _Image) -> _Image:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))

    return both_images(situation, pressed).noting(quality=quality)


def rolling_gain(situation: Situation, draw: Draw) -> Situation:
    """A gain that changes from row to row, or from column to column; other in each image."""
    amplitude, period = draw.uniform(0.05, 0.4), draw.log_uniform(4, 300)
    axis = draw.one_of(0, 1)

    def striped(image: _Image) -> _Image:
        place = np.arange(image.shape[axis])
        gain = 1 + amplitude * np.sin(2 * np.pi * place / period + draw.uniform(0, 6.28))
        return image * (gain[:, None] if axis == 0 else gain[None])

    found = both_images(situation, striped)
    return found.noting(amplitude=amplitude, period_px=period, along="xy"[1 - axis])


def hot_pixels(situation: Situation, draw: Draw) -> Situation:
    """Pixels that are black or white, at the same places in both or not."""
    share, fixed = draw.log_uniform(0.001, 0.05), draw.chance(0.5)
    seeds = [int(draw.rng.integers(1 << 31))] * 2
    if not fixed:
        seeds[1] += 1

    def pierced(image: _Image, seed: int) -> _Image:
        rng = np.random.default_rng(seed)
        hot = rng.uniform(size=image.shape) < share
        return np.where(hot, rng.choice([0, 255], image.shape), image).astype(np.uint8)

    left, right = (
        pierced(image, seed)
        for image, seed in zip((situation.left, situation.right), seeds, strict=True)
    )
    found = situation.having(left=left, right=right)
    return found.noting(share=share, places="the same" if fixed else "other")


def fixed_pattern(situation: Situation, draw: Draw) -> Situation:
    """Dust and uneven sensitivity: one pattern over both images."""
    amplitude, size = draw.uniform(0.05, 0.5), draw.log_uniform(1, 12)
    pattern = cv2.GaussianBlur(draw.rng.normal(size=situation.left.shape), (0, 0), size)
    gain = 1 + amplitude * pattern / pattern.std()
    found = both_images(situation, lambda image: image * gain)
    return found.noting(amplitude=amplitude, size_px=size)


def both_images(situation: Situation, change: Callable[[_Image], _Image]) -> Situation:
    """Both images changed, as 8 bits."""
    left, right = (eight_bits(change(image)) for image in (situation.left, situation.right))
    return situation.having(left=left, right=right)


def eight_bits(values: _Image) -> NDArray[np.uint8]:
    """Rounded, and cut off at both ends."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
