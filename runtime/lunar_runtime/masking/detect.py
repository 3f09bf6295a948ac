"""All that one image's pixels tell of where it shows no ground."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.masking.constant import constant_areas
from lunar_runtime.masking.mask import Mask
from lunar_runtime.masking.saturated import saturated_areas
from lunar_runtime.masking.sky import sky_area

_STEP = 4
_PERCENTILES = (0.1, 99.9)


def without_ground(values: NDArray[Any], mask: Mask) -> Mask:
    """A mask, less what the values show to be no ground that could be measured.

    Args:
        values: (h, w) grey, before any stretch; finite where the mask is valid.
        mask: What is known so far.
    """
    low, high = np.percentile(values[::_STEP, ::_STEP], _PERCENTILES)
    if not high > low:  # nothing but one value: no texture, and that is said elsewhere
        return mask
    mask = mask.without("constant", constant_areas(values, mask.valid))
    known = mask.known(values)
    if not known.size:
        return mask
    mask = mask.without("saturated", saturated_areas(values, float(known.max())))
    return mask.without("sky", sky_area(values, mask.valid))
