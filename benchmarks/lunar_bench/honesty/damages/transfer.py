"""What happens to images on their way: echoes, rows that sway, old blocks, lost detail."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.damages.cameras import sampled
from lunar_bench.honesty.damages.detector import both_images
from lunar_bench.honesty.situation import Draw, Situation

_Image = NDArray[Any]


def echo(situation: Situation, draw: Draw) -> Situation:
    """A second image over the first: shifted, as frames are averaged; or turned, as lenses do."""
    strength, turned = draw.uniform(0.05, 0.5), draw.chance(0.5)
    down, across = (int(draw.uniform(5, 80)) for _ in range(2))

    def doubled(image: _Image) -> _Image:
        other = image[::-1, ::-1] if turned else np.roll(image, (down, across), (0, 1))
        return image * (1 - strength) + other * strength

    return both_images(situation, doubled).noting(
        strength=strength, how="turned" if turned else "shifted"
    )


def swaying_rows(situation: Situation, draw: Draw) -> Situation:
    """A camera that trembles while it reads row by row: rows are aside along a wave."""
    size, period = draw.log_uniform(0.1, 4), draw.log_uniform(16, 400)
    axis = draw.one_of("rows", "columns")  # along which they are aside

    def swayed(x: _Image, y: _Image) -> tuple[_Image, _Image]:
        aside = size * np.sin(2 * np.pi * y / period + draw.uniform(0, 2 * np.pi))
        return (x + aside, y) if axis == "rows" else (x, y + aside)

    assert situation.ground is not None
    left = swayed(*_places(situation.left))
    right = swayed(*_places(situation.right))
    found = situation.having(
        left=sampled(situation.left, *left),
        right=sampled(situation.right, *right),
        ground=situation.ground.at(*left),
    )
    return found.noting(sway_px=size, period_rows=period, along=axis)


def old_blocks(situation: Situation, draw: Draw) -> Situation:
    """Blocks of the right image that did not arrive: the left image's, or another pair's."""
    share, side = draw.log_uniform(0.01, 0.4), draw.one_of(16, 32, 64, 128)
    other = draw.one_of(*draw.pairs) if draw.chance(0.5) else draw.pair
    height, width = situation.right.shape
    lost = draw.rng.uniform(size=(-(-height // side), -(-width // side))) < share
    lost.flat[int(draw.rng.integers(lost.size))] = True
    area = np.kron(lost, np.ones((side, side), np.bool_))[:height, :width]
    old = cv2.resize(other.left, (width, height), interpolation=cv2.INTER_AREA)
    right = np.where(area, old, situation.right).astype(np.uint8)
    return situation.having(right=right).noting(share=share, side_px=side, of=other.name)


def wavelets(situation: Situation, draw: Draw) -> Situation:
    """JPEG 2000 at 4 to 400 times less than 8 bits a pixel."""
    share = draw.log_uniform(0.0025, 0.25)
    ask = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, max(1, round(1000 * share))]

    def pressed(image: _Image) -> _Image:
        _, data = cv2.imencode(".jp2", image, ask)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))

    return both_images(situation, pressed).noting(share=share)


def resampled(situation: Situation, draw: Draw) -> Situation:
    """The right image, or both: every second to fourth pixel kept, or noise filtered away."""
    what, both = draw.one_of("every nth pixel", "median", "non-local means"), draw.chance(0.5)
    step = int(draw.rng.integers(2, 5))

    def filtered(image: _Image) -> _Image:
        if what == "median":
            return cv2.medianBlur(image, 2 * step - 1)
        if what == "non-local means":
            return cv2.fastNlMeansDenoising(image, None, 4.0 * step, 5, 11)
        few = image[step // 2 :: step, step // 2 :: step]
        return cv2.resize(few, image.shape[::-1], interpolation=cv2.INTER_CUBIC)

    left = filtered(situation.left) if both else situation.left
    found = situation.having(left=left, right=filtered(situation.right))
    return found.noting(what=what, step=step, images="both" if both else "right")


def _places(image: _Image) -> tuple[_Image, _Image]:
    """(H, W) x and y of every pixel's centre."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return columns, rows
