"""Is there ground in an image? What a network says of noise and patterns looks like ground.

An image is refused for what it certainly is not: noise without any structure, a smooth gradient, a
pattern that repeats itself, a mask or a drawing of two or three grey levels. All else may be
ground; whether two images show the same is `refinement.same_ground`'s question.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage
from lunar_runtime.geometry.fields import Field, half

# Operating points of 150 lunar images (StereoLunar, rendered, Apollo; whole and windows of 160 px)
# on one side, of noise and patterns on the other.
_LONGER_PX = 256  # of what is looked at; for patterns, half of that
_BLOCK_PX = 8
_LEAST_STRUCTURE = 1.6  # ground 20-60, with noise of 128 DN 4-24; white noise 0.9-1.3
_LEAST_DEPARTURE = 0.4  # grey levels, from a surface of second order: ground 5, gradients 0.3
_LEAST_LEVELS = 4  # 2 bits: ground is matched there; masks, edge maps and checkers have 2
_LEVEL_SHARE = 0.0005  # of the pixels, that a grey level needs to count
# Burnt-out ground of 0.8 and more was refined with errors of 5-94 % and 2-8 sigma; clean images
# have up to 0.2, windows of 96 px 0.6.
_MOST_ONE_LEVEL = 0.75
# Text and edge maps, also as JPEG: 5-14 and 0.86 or more. Ground of so little structure is full of
# noise and has 0.5; saturated ground has up to 1, and a structure of 34 and more.
_DRAWN_STRUCTURE, _MOST_TWO_TONES, _TONE = 14.0, 0.8, 0.06
_MOST_REPEATED = 0.9  # ground up to 0.7; sines and checkers 0.99
_LEAST_LAG, _LEAST_COMMON = 1 / 8, 0.35  # of the side, of the area


def require_ground(image: GreyImage) -> None:
    """Refuse an image that cannot be one of ground.

    Raises:
        InputError: The line says what it looks like.
    """
    shares = _shares(image)
    levels = grey_levels(image, _LEVEL_SHARE)
    if levels < _LEAST_LEVELS:
        _refuse(image, f"only {levels} grey levels, as a mask, an edge map or a drawing has them")
    small, seen = _shrunk(image)
    departure = _departure(small, seen)
    if float(np.sqrt(np.square(departure).mean())) < _LEAST_DEPARTURE:
        _refuse(image, "nothing but a smooth gradient")
    if _structure(departure) < _LEAST_STRUCTURE:
        _refuse(image, "nothing but noise: it has no structure larger than a pixel")
    if _structure(departure) < _DRAWN_STRUCTURE and _two_tones(shares) > _MOST_TWO_TONES:
        _refuse(image, "two tones without anything between them, as a drawing or text has them")
    if shares.max() > _MOST_ONE_LEVEL:
        _refuse(image, f"{shares.max():.0%} of it has one grey level, burnt out or black")
    if _repeated(half(departure), half(seen)) > _MOST_REPEATED:
        _refuse(image, "a pattern that repeats itself, in which every place looks like others")


def grey_levels(image: GreyImage, least_share: float) -> int:
    """How many grey levels have more than this share of the valid pixels."""
    return int(np.count_nonzero(_shares(image) > least_share))


def _refuse(image: GreyImage, what: str) -> None:
    raise InputError(f"{image.name}: {what}; give an image of the ground")


def _shares(image: GreyImage) -> NDArray[np.float64]:
    """(256,) of the valid pixels, those of each grey level."""
    pixels = image.pixels if image.valid is None else image.pixels[image.valid]
    return level_counts(pixels) / max(pixels.size, 1)


def level_counts(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(256,) how many of the pixels have each grey level; a tenth of `np.bincount`'s time."""
    if not pixels.size:
        return np.zeros(256)
    return np.asarray(cv2.calcHist([pixels], [0], None, [256], [0, 256]), np.float64).ravel()


def _shrunk(image: GreyImage) -> tuple[Field, Field]:
    """(h, w) grey levels; (h, w) 1 where all of a pixel is valid, else 0."""
    width, height = image.size
    shrink = min(1.0, _LONGER_PX / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    small = cv2.resize(image.pixels, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    if image.valid is None:
        return small, np.ones_like(small)
    share = cv2.resize(image.valid.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return small, np.asarray(share > 0.99, np.float32)


def _departure(small: Field, seen: Field) -> Field:
    """(h, w) grey levels beside the best surface of second order; 0 where invalid."""
    height, width = small.shape
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in (height, width))
    rows = [np.ones_like(y), y, y * y]
    columns = [np.ones_like(x), x, x * x]
    terms = [(r, c) for i, r in enumerate(rows) for j, c in enumerate(columns) if i + j <= 2]
    basis = np.stack([np.outer(r, c) for r, c in terms]).reshape(len(terms), -1)
    weighted = basis * seen.ravel()
    shape = np.linalg.lstsq(weighted @ basis.T, weighted @ small.ravel(), rcond=None)[0]
    return np.asarray((small - (shape @ basis).reshape(small.shape)) * seen, np.float32)


def _structure(values: Field) -> float:
    """Variance of blocks' means over what independent pixels would leave of it: 1 for noise.

    Infinite in a strip without a block, which `result_grids` refuses.
    """
    rows, columns = (side // _BLOCK_PX for side in values.shape)
    if not rows * columns:
        return float("inf")
    whole = values[: rows * _BLOCK_PX, : columns * _BLOCK_PX]
    means = cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA)
    power = float(np.mean(np.square(whole)))
    return float(np.mean(np.square(means))) * _BLOCK_PX**2 / max(power, 1e-9)


def _two_tones(shares: NDArray[np.float64]) -> float:
    """Share of the pixels within 6 % of the range of the two commonest tones."""
    shares = shares.copy()
    low, high = np.searchsorted(np.cumsum(shares), (0.005, 0.995))
    reach = max(1, round(float(high - low) * _TONE))
    found = 0.0
    for _ in range(2):
        summed = np.convolve(shares, np.ones(2 * reach + 1), "same")
        at = int(summed.argmax())
        found += float(summed[at])
        shares[max(0, at - reach) : at + reach + 1] = 0
    return found


def _repeated(values: Field, seen: Field) -> float:
    """The highest correlation of an image with itself, shifted by an eighth of it or more."""
    height, width = values.shape
    side = max(height, width)
    detail = (values - cv2.GaussianBlur(values, (0, 0), side / 20)) * seen
    products, common = _with_itself(detail), _with_itself(seen)
    rows, columns = (np.abs(np.fft.fftfreq(2 * n) * 2 * n) for n in (height, width))
    far = np.hypot(rows[:, None], columns) > _LEAST_LAG * side
    usable = far & (common > _LEAST_COMMON * float(seen.sum()))
    power = float(products[0, 0]) / max(float(common[0, 0]), 1.0)
    if not usable.any() or not power > 0:
        return 0.0
    return float((products[usable] / common[usable]).max()) / power


def _with_itself(values: Field) -> Field:
    """Sums of products at every shift; the shift of the first row and column is 0."""
    height, width = values.shape
    padded = cv2.copyMakeBorder(values, 0, height, 0, width, cv2.BORDER_CONSTANT)
    spectrum = cv2.dft(padded)
    power = cv2.mulSpectrums(spectrum, spectrum, 0, conjB=True)
    flags = cv2.DFT_INVERSE | cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT
    return np.asarray(cv2.dft(power, flags=flags))
