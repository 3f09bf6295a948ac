"""Where in a view the plate errs more than its own posterior says, and where less.

The posterior knows how much the brightness tells, not whether the ground is as smooth as the plate.
Two things tell that. What the brightness still asks for, averaged over a few pixels, is what the
plate holds back. And where the surface bends more than elsewhere, it bends more than the plate lets
it. Both rank the pixels of a view: for depths, in the median the posterior's size stays.

Slopes have a size of their own. The plate is as stiff as lunar ground is on average: where the
ground of a view bends less its slopes are surer than the posterior says, and where little was
measured the stiffness decides more of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

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
# Of slopes: sizes of real errors over expected ones in 85 views (StereoLunar's, 49 rendered ones of
# 512 px and 30 of 256), whose logarithms deviate by 0.33, and by 0.24 from this, each view foretold
# by the others. Without what was measured, by 0.28; the images' size and their noise add less.
_SIZE, _SIZE_BENT, _SIZE_KNOWN = 9.0, 0.52, -0.094
_SIZES = (0.5, 1.5)
# Where the images do not decide: 67 views have 0.74 to 0.78 of their slopes within one sigma there,
# and 0.94 to 0.96 within two; with this 0.72 to 0.74, and 0.92 to 0.94.
_SIZE_BEYOND = np.float32(0.92)
_FADE_PX = 4.0  # from what is decided to what is not, where none of this is known
_MOST = 3.0
_LEAST = 1e-12


class LocalErrors(NamedTuple):
    """(⌈H/2⌉, ⌈W/2⌉) what the plate's errors are multiplied by.

    Attributes:
        depth: For depths: 1 in the median of what the images decide, and where they do not.
        slope: For slopes.
    """

    depth: Field
    slope: Field


def local_errors(
    bright: Brightness, surface: Field, decided: NDArray[np.bool_], focal_px: float
) -> LocalErrors:
    """Where the plate errs more and less than its posterior says.

    Args:
        bright: Of the last linearisation.
        surface: (H, W) inverse depth that came of it.
        decided: (H, W) where the images decide.
        focal_px: Of the view.
    """
    inside = half(decided.astype(np.float32))
    known = inside > 0.5
    if not known.any():
        return LocalErrors(np.ones_like(inside), np.full_like(inside, _SIZE_BEYOND))
    weight = blurred(half(bright.information), _ASKED_PX)
    pull = blurred(half(bright.pull), _ASKED_PX)
    typical_weight = middle(weight[known])
    least = np.float32(1e-3 * typical_weight) + np.float32(_LEAST)
    asked = blurred(np.square(pull / (weight + least)), _ASKED_MEAN_PX)
    small = half(surface)
    bent = blurred(np.square(_laplacian(blurred(small, _BENT_PX))), _BENT_MEAN_PX)
    bend_per_px = math.sqrt(middle(bent[known])) / middle(small[known]) * focal_px
    factor = np.ones_like(inside)
    for square, power in ((asked, _ASKED), (bent, _BENT)):
        typical = middle(square[known])
        if typical > 0:
            square /= np.float32(typical)
            factor *= np.maximum(square, np.float32(_LEAST)) ** np.float32(power / 2)
    factor = np.clip(factor / np.float32(middle(factor[known])), 1 / _MOST, _MOST)
    # The geometric way from there to 1, without a seam.
    share = np.minimum(blurred(inside, _FADE_PX), inside)
    of_slopes = np.float32(_slope_size(bend_per_px, typical_weight))
    depth = np.asarray(factor**share, np.float32)
    return LocalErrors(depth, depth * of_slopes**share * _SIZE_BEYOND ** (1 - share))


def _slope_size(bend_per_px: float, weight: float) -> float:
    """Real errors of a view's slopes, over those of its posterior.

    Args:
        bend_per_px: Of its surface, as the change of slope over one pixel.
        weight: Information of its brightness on a relative change of depth, in the median.
    """
    if not (bend_per_px > 0 and weight > 0):
        return 1.0
    size = _SIZE * bend_per_px**_SIZE_BENT * weight**_SIZE_KNOWN
    return float(min(max(size, _SIZES[0]), _SIZES[1]))


def _laplacian(values: Field) -> Field:
    """Of neighbours at one pixel; 0 along the edges."""
    found = np.zeros_like(values)
    found[1:-1, 1:-1] = (
        values[1:-1, 2:] + values[1:-1, :-2] + values[2:, 1:-1] + values[:-2, 1:-1]
        - 4 * values[1:-1, 1:-1]
    )  # fmt: skip
    return found
