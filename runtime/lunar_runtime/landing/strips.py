"""Work on arrays, strip by strip."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.fields import Field

_AT_ONCE = 1 << 16  # values of a strip: a handful of such fields stay in a core's cache


def in_strips(shape: tuple[int, int], do: Callable[[slice], tuple[Field, ...]]) -> list[Field]:
    """What the strips give, put together again.

    Args:
        shape: Of the whole; at least one row.
        do: From the rows of a strip to its (rows, C) fields.
    """
    rows, columns = shape
    share = -(-rows // max(1, cv2.getNumThreads()))
    step = max(1, min(share, _AT_ONCE // max(1, columns)))
    parts = at_once(do, (slice(i, i + step) for i in range(0, rows, step)))
    return [np.concatenate(fields) for fields in zip(*parts, strict=True)]
