"""Rocks too small to see: a stated law, or no statement.

Cumulative area covered by rocks of diameter D and more, per area of ground: F(D) = k exp(-q D),
with q = 1.79 + 0.152 / k per metre (Golombek and Rapp 1997, from the Viking landing sites). The
number per area follows by dividing through a rock's own area. A rock stands half of its
diameter out of the ground.
"""

from __future__ import annotations

import math

import numpy as np

from lunar_runtime.geometry.fields import Field
from lunar_runtime.landing.lander import Lander

_HEIGHT_PER_DIAMETER = 0.5
_STEPS = 64


def unseen_rock_free(lander: Lander, unseen_m: Field) -> Field:
    """Probability that a footprint holds no rock that is a hazard and too small to see.

    Args:
        lander: Its `rock_abundance` is the share of the ground under rocks; without one nothing is
            said, and the probability is 1.
        unseen_m: (r, c) diameters below which rocks are not seen.

    Returns:
        (r, c) float32.
    """
    smallest = lander.rise_limit_m / _HEIGHT_PER_DIAMETER
    if not lander.rock_abundance:
        return np.ones(unseen_m.shape, np.float32)
    largest = float(unseen_m.max(initial=0.0))
    if largest <= smallest:
        return np.ones(unseen_m.shape, np.float32)
    diameters = np.linspace(smallest, largest, _STEPS)
    area = math.pi / 4 * lander.footprint_diameter_m**2
    expected = area * rocks_between(lander.rock_abundance, diameters)
    free = np.exp(-np.interp(unseen_m, diameters, expected, left=0.0))
    return np.asarray(free, np.float32)


def rocks_between(
    abundance: float, diameters_m: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """(N,) rocks per square metre between the first diameter and each."""
    rate = 1.79 + 0.152 / abundance
    density = abundance * rate * np.exp(-rate * diameters_m) / (math.pi / 4 * diameters_m**2)
    steps = np.diff(diameters_m) * (density[1:] + density[:-1]) / 2
    return np.concatenate([[0.0], np.cumsum(steps)])
