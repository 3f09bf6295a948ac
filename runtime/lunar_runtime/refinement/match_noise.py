"""What two images differ by where a surface has them meet, measured on the pair itself.

Brightness is compared after its local mean is taken away and its contrast divided out, so noise of
the detector and of JPEG, alike all over an image in grey levels, counts for most where contrast is
low. Besides, images differ by a share of their contrast, as light does between the views, and where
brightness is steep, by what the surface is off. The three are fitted to the residuals.

Noise that neighbours share is told once by all of them. In an image that was enlarged, or smoothed,
four pixels know no more than one did; counted as four, they pull the plate after their noise. So
the number of pixels that share it is measured too: an enlarged pair is as stiff as the first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.epipolar import Floats
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.robust import robust_sigma
from lunar_runtime.kernels.library import run

_THIN = 4  # pixels between rows that are compared
_ENOUGH = 4000  # pixels tell a sigma
_ITERATIONS = 4
_CUT = 9.0  # times the variance: squares beyond are no noise
_SWEEPS = 20  # over the three numbers, of which none is negative
_LEAST = 1e-6  # of a variance: a thousandth of the contrast
_LEAST_SHARE = 1e-3  # of the typical variance
_CLIPPED_SIGMAS = 3.0
_OUTLIER_SIGMAS = 3.0
# Pixels that share the noise of images as cameras give them: 1.0 to 2.2 on most of StereoLunar's
# and rendered pairs, 4.5 and more where those were enlarged to twice their sides.
_AS_TAKEN = 1.45


class MatchNoise(NamedTuple):
    """Of normalised brightness.

    Attributes:
        grey: Variance in grey levels, alike all over the image.
        share: Variance as a share of the contrast's square.
        steep: Variance by the square of the brightness' change along a pixel.
        pixels: That share one value of the noise, over those of images as cameras give them; at
            least 1.
    """

    grey: float
    share: float
    steep: float
    pixels: float

    def weight(self, residual: Field, contrast: Field, change: Field) -> Field:
        """(H, W) information of every residual: one over its variance, less of an outlier.

        Geman and McClure's weight, from three sigmas on.

        Args:
            residual: (H, W) of normalised brightness.
            contrast: (H, W) grey levels that the brightness was divided by.
            change: (H, W) of the normalised brightness along a pixel.
        """
        weight = np.empty_like(residual)
        variances = float(self.grey), max(float(self.share), _LEAST), float(self.steep)
        run(
            "match_weight", residual, contrast, change, *variances, _OUTLIER_SIGMAS,
            float(self.pixels), weight.size, weight,
        )  # fmt: skip
        return weight


def measure_match_noise(
    residual: Field, contrast: Field, change: Field, alike: NDArray[np.bool_]
) -> MatchNoise:
    """Fit the noise to what a surface leaves.

    Args:
        residual: (H, W) of normalised brightness.
        contrast: (H, W) see `MatchNoise.weight`.
        change: (H, W) likewise; NaN = not known.
        alike: (H, W) where both images show the same ground.
    """
    thin = (slice(None, None, _THIN),) * 2
    chosen = alike[thin]
    if np.count_nonzero(chosen) < _THIN:
        thin, chosen = (slice(None),) * 2, alike
    left = residual[thin][chosen].astype(np.float64)
    squares = np.empty((3, len(left)))
    squares[0] = 1 / contrast[thin][chosen] ** 2
    squares[1] = 1
    squares[2] = change[thin][chosen] ** 2
    grey, share, steep = _variances(squares, left)
    pixels = _pixels_that_share(residual * contrast, alike) / _AS_TAKEN
    return MatchNoise(grey, share, steep, max(1.0, pixels))


def _variances(squares: Floats, residual: Floats) -> list[float]:
    """Three, not negative: squared residuals as a sum of (3, N) squares, robust."""
    typical = max(robust_sigma(residual) ** 2, _LEAST)
    square = residual**2
    size = np.maximum(np.mean(squares, axis=1), 1e-30)
    squares = squares / size[:, None]
    found = np.empty(3)
    run(
        "variances", squares, square, len(square), float(typical), _LEAST_SHARE, _CUT, _ITERATIONS,
        _SWEEPS, found,
    )  # fmt: skip
    return [float(one / of) for one, of in zip(found, size, strict=True)]


def _pixels_that_share(left: Field, alike: NDArray[np.bool_]) -> float:
    """How many pixels one value of the noise covers: along rows, times along columns."""
    some = left[::_THIN, ::_THIN][alike[::_THIN, ::_THIN]]
    if len(some) < _ENOUGH:
        some = left[alike]
    found = np.empty((2, 4))
    limit = float(_CLIPPED_SIGMAS * robust_sigma(some))
    run("neighbours", left, np.ascontiguousarray(alike), *left.shape, _THIN, limit, found)
    return math.prod(_shared(*line) for line in found.tolist())


def _shared(places: float, squares: float, pairs: float, products: float) -> float:
    """How many pixels of a line share the noise: one, and both neighbours by their correlation.

    Correlations farther off do not count: a surface that is smoother than the ground leaves long,
    weak ones, and a plate that is stiffer for these gets smoother still (a pair of 256 px lost four
    fifths of what its images decide).

    Args:
        places: Where the noise is known.
        squares: Their sum.
        pairs: Neighbours that are both known.
        products: Their sum.
    """
    if not (pairs > 0 and squares > 0):
        return 1.0
    return 1 + 2 * max(products * places / (pairs * squares), 0.0)
