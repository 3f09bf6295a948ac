"""Where in a view the plate errs more than its own posterior says, and where less.

The posterior knows how much the brightness tells, not whether the ground is as smooth as the plate.
Two things tell that. What the brightness still asks for, averaged over a few pixels, is what the
plate holds back. And where the surface bends more than elsewhere, it bends more than the plate lets
it. Both only rank the pixels of a view: in the median the posterior's size stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, half
from lunar_runtime.geometry.robust import middle
from lunar_runtime.refinement.dense_match import Brightness

# Powers of the two, fitted to the logarithms of real errors of depth on StereoLunar and rendered
# pairs of 512 and 256 px. Errors of depth that no pose explains rank 0.30 with them, without 0.25;
# slopes 0.25 and 0.20. More than twenty further features (texture, correlation, shadow, incidence,
# what the network says, the way back of the flow) together add 0.03.
_ASKED, _BENT = 0.3, 0.16
# Pixels of the half resolution.
_ASKED_PX, _ASKED_MEAN_PX = 2.0, 4.0
_BENT_PX, _BENT_MEAN_PX = 1.0, 2.0
_FADE_PX = 4.0  # from what is decided to what is not, where none of this is known
_MOST = 3.0
_LEAST = 1e-12


def local_factor(bright: Brightness, surface: Field, decided: NDArray[np.bool_]) -> Field:
    """(⌈H/2⌉, ⌈W/2⌉) what the plate's errors are multiplied by; 1 where the images do not decide.

    Args:
        bright: Of the last linearisation.
        surface: (H, W) inverse depth that came of it.
        decided: (H, W) where the images decide.
    """
    inside = half(decided.astype(np.float32))
    known = inside > 0.5
    if not known.any():
        return np.ones_like(inside)
    weight = blurred(half(bright.information), _ASKED_PX)
    pull = blurred(half(bright.pull), _ASKED_PX)
    least = np.float32(1e-3 * middle(weight[known])) + np.float32(_LEAST)
    asked = blurred(np.square(pull / (weight + least)), _ASKED_MEAN_PX)
    bent = blurred(np.square(_laplacian(blurred(half(surface), _BENT_PX))), _BENT_MEAN_PX)
    factor = np.ones_like(inside)
    for square, power in ((asked, _ASKED), (bent, _BENT)):
        typical = middle(square[known])
        if typical > 0:
            square /= np.float32(typical)
            factor *= np.maximum(square, np.float32(_LEAST)) ** np.float32(power / 2)
    factor = np.clip(factor / np.float32(middle(factor[known])), 1 / _MOST, _MOST)
    # The geometric way from there to 1, without a seam.
    share = np.minimum(blurred(inside, _FADE_PX), inside)
    return np.asarray(factor**share, np.float32)


def _laplacian(values: Field) -> Field:
    """Of neighbours at one pixel; 0 along the edges."""
    found = np.zeros_like(values)
    found[1:-1, 1:-1] = (
        values[1:-1, 2:] + values[1:-1, :-2] + values[2:, 1:-1] + values[:-2, 1:-1]
        - 4 * values[1:-1, 1:-1]
    )  # fmt: skip
    return found
