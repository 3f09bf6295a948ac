"""One pair to train on, as it comes from its source."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


class TrainingPair(NamedTuple):
    """A pair before it is changed and stacked.

    Attributes:
        images: Left and right, (H, W) float32 grey 0 to 255.
        depths: (H, W) float32 metres each, NaN where unknown.
        right_from_left: (4, 4) float64, metres.
        focal_px: Of both.
        suns: (2, 3) directions in each one's camera, NaN where unknown.
    """

    images: list[Image]
    depths: list[Image]
    right_from_left: NDArray[Any]
    focal_px: float
    suns: NDArray[Any]
