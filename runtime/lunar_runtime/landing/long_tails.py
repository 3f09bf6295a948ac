"""How far a footprint's real slope and roughness lie from the expected ones, in expected errors.

Their distribution has a narrow middle and long tails, as Student's t has. Fitted to the side of the
larger real values, where the danger is, on 32 rendered landings and 12 StereoLunar pairs.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field


class Tail(NamedTuple):
    """Student's t with 2 or 3 degrees of freedom, and its unit in expected errors."""

    degrees: int
    scale: float


# Seen: real slopes 1.2, 2.4 and 6.4 expected errors above the expected ones in 5, 1 and 0.1 %.
SLOPE = Tail(3, 0.55)
# Seen: 1.9, 4.3 and 9.9 in 5, 1 and 0.1 %: boulders that the surface smoothes away.
ROUGHNESS = Tail(2, 0.63)


def at_most(limit: float, value: Field, sigma: Field, tail: Tail) -> Field:
    """Probability that what was measured as `value` is at most the limit.

    Args:
        limit: In the unit of the values.
        value: Measured; NaN gives NaN.
        sigma: Its expected error; 0 = it is exact.
        tail: Of the real errors.
    """
    with np.errstate(invalid="ignore"):
        room = (np.float32(limit) - value) / np.maximum(sigma, np.float32(1e-9))
    at, values = _table(tail.degrees)
    return np.asarray(np.interp(room / tail.scale, at, values), np.float32)


@lru_cache(maxsize=2)
def _table(degrees: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distribution function of Student's t: closed forms; linear between points, right to 1e-5."""
    at = np.sinh(np.linspace(-14, 14, 8001))
    if degrees == 2:
        return at, 0.5 + at / (2 * np.sqrt(2 + at * at))
    t = at / math.sqrt(3)
    return at, 0.5 + (t / (1 + t * t) + np.arctan(t)) / math.pi
