"""Was an image compressed so hard that its blocks show? Then small relief is gone with its shades.

The images still match, pose and depth are right, and slopes come out too flat, as those of blurred
images do. JPEG works on blocks of 8 × 8 pixels, and brightness steps where two of them meet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.inference.pair import ImagePair
from lunar_runtime.inference.sharpness import middle_of

_BLOCK_PX = 8
_LEAST_SIDE = 64  # pixels: of less, there are too few blocks
_THIN = 3  # every so many lines are looked at
_STEEPEST = 8.0  # times the mean: edges of the ground are no blocks
# Steps where blocks meet over those elsewhere, the fainter direction. Of 60 StereoLunar and
# rendered images 1.0 to 2.4 (StereoLunar 1.1 to 1.4); at quality 30 they have 3.1 to 18,
# at 40 2.6 to 9. With qualities of 20 to 30 three pairs seen straight down missed 10 to 19 points
# more of the hazards.
_MOST_BLOCKS = 3.0


def doubt_compression(images: ImagePair) -> tuple[str, ...]:
    """Which images of a pair show blocks, in words."""
    return tuple(
        f"the {side} image was compressed hard: blocks of 8 x 8 pixels show, and slopes come out "
        "too flat"
        for side, image in zip(("left", "right"), images, strict=True)
        if blockiness(image.pixels) > _MOST_BLOCKS
    )


def blockiness(grey: NDArray[np.uint8]) -> float:
    """How much brightness steps where blocks of eight pixels meet, over elsewhere; 1 = no blocks.

    Args:
        grey: (H, W), pixels of the image as given: resampled blocks are none.
    """
    if min(grey.shape) < _LEAST_SIDE:
        return 1.0
    middle = middle_of(grey)
    return min(_along_rows(middle), _along_rows(middle.T))


def _along_rows(grey: NDArray[np.uint8]) -> float:
    change = np.diff(grey[::_THIN].astype(np.float32), axis=1)
    step = np.abs(change[:, 1:-1] - (change[:, :-2] + change[:, 2:]) / 2)
    column = np.minimum(step, np.float32(_STEEPEST) * np.mean(step)).mean(axis=0)
    usable = len(column) // _BLOCK_PX * _BLOCK_PX
    phases = column[:usable].reshape(-1, _BLOCK_PX).mean(axis=0)
    typical = float(np.median(phases))
    return float(np.max(phases)) / typical if typical > 0 else 1.0
