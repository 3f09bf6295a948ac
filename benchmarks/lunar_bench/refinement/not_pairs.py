"""Pairs that are none, and pairs that are damaged: what the judgement of ground is measured on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Change = Callable[[Grey, np.random.Generator], Grey]

_SIZES = (160, 256, 512)


class ImagePair(NamedTuple):
    """Two images and what they are.

    Attributes:
        kind: As in `unrelated scenes`.
        left: (H, W).
        right: (H, W).
    """

    kind: str
    left: Grey
    right: Grey


def grey(values: NDArray[Any]) -> Grey:
    """Rounded and clipped."""
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def artificial(seed: int) -> Iterator[ImagePair]:
    """Noise and patterns, at three sizes."""
    for size in _SIZES:
        rng = np.random.default_rng([seed, size])
        one, other = _noises(size, rng), _noises(size, rng)
        for kind in one:
            yield ImagePair(kind, grey(one[kind]), grey(other[kind]))
        wave, cell = 2 * np.pi / float(rng.uniform(8, 30)), int(rng.integers(6, 24))
        one, other = (_patterns(size, wave, cell, moved_px) for moved_px in (0, 4))
        for kind in one:
            yield ImagePair(kind, grey(one[kind]), grey(other[kind]))
        yield ImagePair("text", _text(size, rng), _text(size, rng))


def _noises(size: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    shape = (size, size)
    return {
        "white noise": rng.uniform(0, 256, shape),
        "dark noise": rng.integers(0, 6, shape),
        "thermal noise": 4 + 2 * rng.standard_normal(shape),
        "blurred noise": _coloured(shape, None, rng),
        "1/f noise": _coloured(shape, 2.0, rng),
        "1/f3 noise": _coloured(shape, 3.0, rng),
        "salt": (rng.random(shape) < 0.03) * 255.0,
    }


def _patterns(size: int, wave: float, cell: int, moved_px: int) -> dict[str, NDArray[Any]]:
    y, x = np.mgrid[:size, :size].astype(np.float64)
    x += moved_px
    return {
        "sine": 128 + 80 * np.sin(wave * x + wave / 3 * y),
        "two sines": 128 + 50 * (np.sin(wave * x) + np.sin(wave * y)),
        "checker": (x // cell + y // cell) % 2 * 180 + 30,
        "gradient": x * 200 / size,
    }


def foreign(pairs: list[KnownPair], seed: int) -> Iterator[ImagePair]:
    """Lunar images with what is not theirs."""
    for number, pair in enumerate(pairs):
        rng = np.random.default_rng([seed, number])
        left, right, shape = pair.left, pair.right, pair.left.shape
        above = np.where(left > np.median(left), np.uint8(255), np.uint8(0))
        yield ImagePair("image and mask", left, above.astype(np.uint8))
        yield ImagePair("image and edges", left, np.asarray(cv2.Canny(left, 60, 120), np.uint8))
        yield ImagePair("image and noise", left, grey(rng.uniform(0, 256, shape)))
        yield ImagePair("image and 1/f noise", left, grey(_coloured(shape, 2.0, rng)))
        yield ImagePair("mirrored", left, np.ascontiguousarray(right[:, ::-1]))
        quarter = right[
            shape[0] * 3 // 8 : shape[0] * 5 // 8, shape[1] * 3 // 8 : shape[1] * 5 // 8
        ]
        zoomed = cv2.resize(quarter, shape[::-1], interpolation=cv2.INTER_CUBIC)
        yield ImagePair("four times the scale", left, np.asarray(zoomed, np.uint8))


def unrelated(one: list[KnownPair], other: list[KnownPair]) -> Iterator[ImagePair]:
    """The left image of each with the right one of each of the others'."""
    for a in one:
        for b in other:
            if a is not b:
                yield ImagePair("unrelated scenes", a.left, b.right)


def _compressed(quality: int) -> Change:
    def change(image: Grey, rng: np.random.Generator) -> Grey:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)

    return change


def _squeezed(bits: int) -> Change:
    step = 2 ** (8 - bits)
    return lambda image, _: grey(image // step * (255 / (2**bits - 1)))


def _noisy(sigma: float) -> Change:
    return lambda image, rng: grey(image + sigma * rng.standard_normal(image.shape))


def _blurred(sigma_px: float) -> Change:
    return lambda image, _: np.asarray(cv2.GaussianBlur(image, (0, 0), sigma_px), np.uint8)


def _burnt(share: float) -> Change:
    return lambda image, _: grey(image * 255.0 / np.quantile(image, 1 - share))


def _dark(factor: float) -> Change:
    return lambda image, rng: grey(image * factor + rng.standard_normal(image.shape))


def _smeared(length_px: int) -> Change:
    row = np.full((1, length_px), 1 / length_px)
    return lambda image, _: np.asarray(cv2.filter2D(image, -1, row), np.uint8)


#: What is done to both images -> level, the mildest first -> how.
DAMAGES: dict[str, dict[str, Change]] = {
    "noise, DN": {f"{s}": _noisy(s) for s in (4, 8, 16, 32, 64, 128)},
    "bits": {f"{b}": _squeezed(b) for b in (4, 3, 2, 1)},
    "defocus, px": {f"{s}": _blurred(s) for s in (1, 2, 4, 8, 16, 32)},
    "motion, px": {f"{n}": _smeared(n) for n in (5, 15, 45)},
    "saturated": {f"{s:.0%}": _burnt(s) for s in (0.25, 0.5, 0.75, 0.9)},
    "light, with 1 DN of noise": {f"{f:g}": _dark(f) for f in (0.1, 0.05, 0.02)},
    "JPEG quality": {f"{q}": _compressed(q) for q in (30, 10, 5)},
}


def _coloured(
    shape: tuple[int, ...], power: float | None, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Noise whose spectrum falls with a power of the frequency; None = blurred by 3 px."""
    white = rng.standard_normal(shape)
    if power is None:
        return np.asarray(128 + 300 * cv2.GaussianBlur(white, (0, 0), 3), np.float64)
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    frequency[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(white) * frequency ** (-power / 2)).real
    return np.asarray(128 + 40 * (noise - noise.mean()) / noise.std())


def _text(size: int, rng: np.random.Generator) -> Grey:
    page = np.full((size, size), 20, np.uint8)
    for row in range(20, size, 24):
        line = "".join(chr(c) for c in rng.integers(65, 123, size // 10))
        cv2.putText(page, line, (2, row), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 230, 1, cv2.LINE_AA)
    return page
