"""What happens while an image is read out and coded: smear, curves, a shutter that rolls, video."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_bench.honesty.damages.cameras import sampled
from lunar_bench.honesty.damages.detector import both_images, eight_bits
from lunar_bench.honesty.situation import Draw, Situation

_Image = NDArray[Any]
_SEARCH_PX = 24  # of a block's motion, beside the frames'
_CODED_PX = 8


def frame_transfer_smear(situation: Situation, draw: Draw) -> Situation:
    """Light that falls in while the image is moved: every pixel gets a share of its column."""
    share = draw.log_uniform(0.01, 0.5)
    found = both_images(
        situation, lambda image: (image + share * image.mean(axis=0)[None]) / (1 + share)
    )
    return found.noting(share=share)


def gamma(situation: Situation, draw: Draw) -> Situation:
    """A curve of brightness that is not straight, of the right image alone."""
    power = draw.log_uniform(0.4, 2.5)
    right = eight_bits(255 * (situation.right / 255) ** power)
    return situation.having(right=right).noting(power=power)


def companded(situation: Situation, draw: Draw) -> Situation:
    """Both images as roots of the brightness, as 12 bits are coded in 8, with few of the levels."""
    levels = int(draw.log_uniform(20, 256))
    found = both_images(
        situation, lambda image: np.rint((image / 255) ** 0.5 * (levels - 1)) * 255 / (levels - 1)
    )
    return found.noting(levels=levels)


def rolling_shutter(situation: Situation, draw: Draw) -> Situation:
    """A camera that moves on while it reads row by row: both images shear, nearly alike.

    Of the left one the rows come late by its own speed, of the right one by a tenth more or less.
    """
    size, turned = draw.log_uniform(0.2, 10), draw.uniform(0, 2 * np.pi)
    ratio = 1 + draw.uniform(-0.1, 0.1)
    height, width = situation.left.shape
    rows, columns = np.mgrid[:height, :width] + 0.5
    late = rows / height - 0.5

    def places(by_px: float) -> tuple[_Image, _Image]:
        return columns + by_px * np.cos(turned) * late, rows + by_px * np.sin(turned) * late

    assert situation.ground is not None
    left, right = places(size), places(size * ratio)
    found = situation.having(
        left=sampled(situation.left, *left),
        right=sampled(situation.right, *right),
        ground=situation.ground.at(*left),
    )
    return found.noting(shear_px=size, right_over_left=ratio)


def video(situation: Situation, draw: Draw) -> Situation:
    """The right image as a video's next frame: blocks of the left one, moved, and what they lack.

    Blocks move by whole pixels. What they lack is coded as coarsely as a video's bits allow, by
    cosine waves of 8 pixels; the left frame is coded by itself.
    """
    side, step = draw.one_of(8, 16), draw.log_uniform(4, 80)
    left = _coded(situation.left.astype(np.float32), step)
    frame = situation.right.astype(np.float32)
    predicted = _predicted(left, frame, side)
    right = predicted + _coded(frame - predicted, step)
    found = situation.having(left=eight_bits(left), right=eight_bits(right))
    return found.noting(block_px=side, step_dn=step)


def _coded(image: _Image, step: float) -> _Image:
    """Blocks of 8 x 8 pixels as multiples of a step in every cosine wave."""
    height, width = (-(-n // _CODED_PX) * _CODED_PX for n in image.shape)
    padded = cv2.copyMakeBorder(
        image, 0, height - image.shape[0], 0, width - image.shape[1], cv2.BORDER_REPLICATE
    )
    for top in range(0, height, _CODED_PX):
        for left in range(0, width, _CODED_PX):
            block = padded[top : top + _CODED_PX, left : left + _CODED_PX]
            block[:] = cv2.idct(np.rint(cv2.dct(block) / step) * np.float32(step))
    return padded[: image.shape[0], : image.shape[1]]


def _predicted(last: _Image, frame: _Image, side: int) -> _Image:
    """Each block of a frame as the block of the last one that is most alike."""
    height, width = frame.shape
    (x, y), _ = cv2.phaseCorrelate(frame, last)
    reach = _SEARCH_PX + int(np.ceil(max(abs(x), abs(y))))
    wide = cv2.copyMakeBorder(last, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
    found = np.empty_like(frame)
    for top in range(0, height, side):
        for left in range(0, width, side):
            block = frame[top : top + side, left : left + side]
            rows, columns = block.shape
            y0 = int(np.clip(top + y + reach - _SEARCH_PX, 0, wide.shape[0] - rows))
            x0 = int(np.clip(left + x + reach - _SEARCH_PX, 0, wide.shape[1] - columns))
            near = wide[y0 : y0 + rows + 2 * _SEARCH_PX, x0 : x0 + columns + 2 * _SEARCH_PX]
            _, _, (at_x, at_y), _ = cv2.minMaxLoc(cv2.matchTemplate(near, block, cv2.TM_SQDIFF))
            found[top : top + rows, left : left + columns] = near[
                at_y : at_y + rows, at_x : at_x + columns
            ]
    return found
