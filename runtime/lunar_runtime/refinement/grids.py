"""From a grid to one of half the sides: the transpose of `fields.twice`."""

from __future__ import annotations

import numpy as np

from lunar_runtime.geometry.fields import Field
from lunar_runtime.kernels.library import run


def gather(values: Field) -> Field:
    """(H / 2, W / 2) of (H, W) values; even sides of 4 and more."""
    height, width = values.shape[0] // 2, values.shape[1] // 2
    coarse = np.empty((height, width), np.float32)
    run("gather", np.ascontiguousarray(values, np.float32), coarse, height, width)
    return coarse
