"""Errors that a whole view shares, in a few draws: each told exactly, none mixed with another.

Eight random numbers tell a variance to half of it. An error of the pose moves all depths alike, so
a view whose eight poses happen to lie near would look twice as sure as it is. Columns of unit mean
square, every two of them orthogonal, have no such luck: sums over the draws are the variances.
"""

from __future__ import annotations

import numpy as np

from lunar_runtime.geometry.epipolar import Floats

#: Of the pose: three angles of its rotation, two of its direction.
POSE = slice(0, 5)
#: Of the prior, where nothing was measured near.
BEYOND = 5
#: Of the focal length.
FOCAL = 6
_COLUMNS = 7


def shared_errors(count: int) -> Floats:
    """(count, 7) of mean square 1 and mutually orthogonal over the draws; always the same.

    Args:
        count: Of draws, at least 7.
    """
    random = np.random.default_rng(0).standard_normal((count, _COLUMNS))
    columns, _ = np.linalg.qr(random)
    return np.asarray(columns * np.sqrt(count))
