"""Whether both images show the ground in one light, or brighter here and darker there.

A gain that changes from row to row, or dust over the detector, looks like shading. Local means and
contrasts take away what is broad. The rest moves the surface by hundredths of a pixel, which is
degrees of slope, while the matches look well. The ratio of the two images through the surface shows
it: of one ground under one sun it is nearly even.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, half
from lunar_runtime.geometry.least_squares import normal_equations
from lunar_runtime.geometry.products import times
from lunar_runtime.geometry.robust import robust_sigma

_SIGMA_PX = 2.0  # of the means of 4 × 4 px that are compared: single pixels differ by noise
_DARK_DN = 8.0  # a mean below it is shadow, whose ratio is noise
_LEAST_KNOWN = 0.5  # of a mean's weight
_LEAST_SAMPLES = 100
_SAMPLES = 4000


def unevenness(left: Field, right: Field, inside: NDArray[np.bool_]) -> float:
    """How much the brightness of the two images differs from place to place, relative.

    The robust standard deviation of the logarithm of their ratio, less the polynomial of second
    degree that fits it best: exposure, vignetting and the view's direction are no damage.

    Args:
        left: (H, W) grey levels.
        right: (H, W) of the right image, seen through the surface.
        inside: (H, W) where both show the ground.

    Returns:
        0 where too little is known.
    """
    weight = inside.astype(np.float32)
    total, a, b = (
        blurred(half(half(values)), _SIGMA_PX / 4)
        for values in (weight, left * weight, right * weight)
    )
    least = np.float32(_DARK_DN) * total
    rows, columns = np.nonzero((total > _LEAST_KNOWN) & (a > least) & (b > least))
    step = max(1, len(rows) // _SAMPLES)
    rows, columns = rows[::step], columns[::step]
    if len(rows) < _LEAST_SAMPLES:
        return 0.0
    ratio = np.log(a[rows, columns] / b[rows, columns]).astype(np.float64)
    x, y = columns / total.shape[1] - 0.5, rows / total.shape[0] - 0.5
    A = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
    shares = np.linalg.lstsq(*normal_equations(A, ratio), rcond=None)[0]
    smooth = times(np.asarray(shares, np.float64), A)
    return float(robust_sigma(ratio - smooth))
