"""What is believed of the surface before the images are compared: a plane and the network's relief.

In a pinhole image the inverse depth of a plane is affine in the pixel. The prior is the affine
field that fits the measurements best, plus the network's departure from its own plane, coarse and
fine relief each multiplied by how well it foretells the measured one: by nothing if it does not,
and where its coarse relief does, in part as it is. So a tilted, scaled or bad pointmap costs
nothing, and a good one carries the surface across shadow and beyond the right image.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.fields import Field, blurred, filled, half, resized
from lunar_runtime.geometry.least_squares import robust_fit
from lunar_runtime.geometry.products import times
from lunar_runtime.geometry.robust import middle, robust_sigma
from lunar_runtime.refinement.shared_errors import BEYOND, shared_errors

#: Of a surface from the prior, relative: it stays in front of the camera.
LEAST_DEPARTURE = np.float32(-0.9)

_SAMPLES = 4_000
_COARSE_SHARE = 1 / 16  # of the image's width: sigma between coarse and fine relief
_LOWEST = 0.05  # of the median: an oblique plane's inverse depth falls through zero at its horizon
_LEAST_SIGMA = 1e-3
# Gains of 36 pairs lie between 0 and 4.3; that of a network that was never trained is 3000.
_MOST_GAIN = 10.0
# A network whose coarse relief foretells the measured one knows this ground. Of both gains, what is
# measured inside counts by these shares, and 1, the network's own word, by the rest: inside tells
# little of beyond. Against three quarters and a half, errors beyond the overlap fell by 5 and 3 %
# (depths and slopes, nine StereoLunar pairs, means) and by 2 % (24 rendered ones), none grew by
# more than 3 %. With a fifth of the coarse one they fell by 7 and 4 %, but one whole view's depths
# grew by 15. Gains that foretold parts of the same pair held out at its rim were worse by 2 % where
# they were drawn to 1 as well, by a fifth where not. Below `_KNOWS` 1 counts for less by and by. At
# a limit, a pair with a gain of 0.31 had 0.72 of it, and 0.28 with a wedge, specks or rows that a
# shutter bent: it missed 17 points more of the hazards. Of 14 pairs whose gains are near slopes
# beyond the overlap are 2 % better so, the worst 3 % worse.
_KNOWS = 0.3
_MEASURED = np.array([0.4, 0.3])
# Of these gains, what counts: what the relief misses inside is carried outward beside it. All of
# the coarse one leaves slopes beyond the overlap 1.03 (StereoLunar) and 1.01 times as far off
# (rendered, 57 pairs in all, geometric means); with two thirds single depths are farther off by a
# fifth, and the means no nearer.
_COUNTS = np.array([0.8, 1.0])
_GRAZING = np.float32(0.1)  # cosine: below it a pixel sees more than ten of its own widths
# Of the prior's error beyond what was measured. What the surface departs from the prior by, it
# carries on: well where that is smooth. So the error goes with the square of how far departures are
# apart at `_LAG` of the image's width, which is 0.29 to 0.81 of `sigma` (51 pairs, the middle of
# StereoLunar's 0.6, of rendered ones 0.5 and 0.4). Alike for all pairs it was right on the first
# and 1.5 to 1.8 times too large on the others. With 26, since departures are carried on farther,
# 0.79 to 0.84 of depths lay within one sigma, and 0.95 to 0.96 within two (66 pairs told the rig).
_BEYOND = 24.0
_LAG = 1 / 10
_APART = (0.3, 0.45, 0.8)  # at least, where too little was measured to tell, at most
_PLACES = 500


class Prior(NamedTuple):
    """See the module.

    Attributes:
        inverse_depth: (H, W) positive, baseline / Z.
        sigma: Robust standard deviation of measured / inverse_depth - 1.
        incidence: (H, W) cosine of the angle at which the rays meet the fitted plane, down to
            `_GRAZING`.
        relief_gain: Factors on the network's coarse and fine relief, both pointmaps at one scale;
            None without a network.
    """

    inverse_depth: Field
    sigma: float
    incidence: Field
    relief_gain: tuple[float, float] | None


def fit_prior(rays: Field, measured: Field, trust: Field, relief: list[Field] | None) -> Prior:
    """Fit the prior to the measurements.

    Args:
        rays: (H, W, 3).
        measured: (H, W) inverse depth.
        trust: (H, W), weight of every measurement; 0 = none.
        relief: Of the network, coarse and fine, from `relief_bands`; None without a network.
    """
    columns = [rays[..., 0], rays[..., 1], np.ones_like(measured)]
    used = trust.ravel() > 0
    chosen = np.flatnonzero(used)
    chosen = chosen[:: max(1, len(chosen) // _SAMPLES)]
    typical = np.float32(middle(measured.ravel()[chosen]))
    columns += [] if relief is None else [typical * band for band in relief]
    A = np.stack([column.ravel()[chosen] for column in columns]).astype(np.float64)
    b = measured.ravel()[chosen].astype(np.float64)
    weight = trust.ravel()[chosen].astype(np.float64)
    keep = np.ones(len(A), bool)
    for i, column in enumerate(A[3:], 3):  # a network without relief has no gain
        keep[i] = bool(np.any(column))
    coefficients = robust_fit(A, b, weight, keep)
    # Relief upside down foretells nothing, nor does one at no scale of this ground.
    while ((coefficients[3:] < 0) | (coefficients[3:] > _MOST_GAIN)).any():
        keep[3:] &= (coefficients[3:] >= 0) & (coefficients[3:] <= _MOST_GAIN)
        coefficients = robust_fit(A, b, weight, keep)
    if relief is not None and coefficients[3] > 0:
        knows = min(coefficients[3] / _KNOWS, 1)
        drawn = _COUNTS * (1 + _MEASURED * (coefficients[3:] - 1))
        gains = coefficients[3:] + knows * (drawn - coefficients[3:])
        coefficients = robust_fit(A, b - times(gains, A[3:]), weight, np.arange(len(A)) < 3)
        coefficients[3:] = gains
    field = sum(np.float32(c) * column for c, column in zip(coefficients, columns, strict=True))
    assert isinstance(field, np.ndarray)
    field = np.maximum(field, np.float32(_LOWEST * middle(b))).astype(np.float32)
    relative = b / field.ravel()[chosen] - 1
    sigma = max(robust_sigma(relative), _LEAST_SIGMA)
    gain = None if relief is None else (float(coefficients[3]), float(coefficients[4]))
    # A plane's inverse depth is normal · ray over its distance.
    a, b, c = (np.float32(value) for value in coefficients[:3] / np.linalg.norm(coefficients[:3]))
    x, y = rays[..., 0], rays[..., 1]
    incidence = np.maximum((a * x + b * y + c) / np.sqrt(x * x + y * y + 1), _GRAZING)
    return Prior(field, sigma, np.asarray(incidence, np.float32), gain)


def beyond_errors(prior: Prior, departure: Field, decided: NDArray[np.bool_], count: int) -> Field:
    """Errors of the prior where nothing was measured near: they grow with the distance; seeded.

    Ground is not a plane. Carried on from what was measured, the prior errs by its own deviation
    there, by more for every image's width of distance, by more where that deviation is rough, and
    where the ground is seen more obliquely.

    Args:
        prior: Fitted to what was measured.
        departure: (H, W) of the surface from the prior, relative.
        decided: (H, W) where the images decide, on the prior's grid.
        count: How many.

    Returns:
        (count, H, W) relative to the surface.
    """
    incidence = prior.incidence
    if decided.any():
        far = cv2.distanceTransform((~decided).astype(np.uint8), cv2.DIST_L2, 3)
        typical = np.float32(middle(incidence[decided]))
    else:  # a whole image's width from anything that was measured
        far = np.full(decided.shape, decided.shape[1], np.float32)
        typical = np.float32(middle(incidence))
    apart = np.float32(_apart(departure, decided) / prior.sigma)
    least, unknown, most = (np.float32(value) for value in _APART)
    rough = unknown if np.isnan(apart) else np.clip(apart, least, most)
    growth = _BEYOND * rough**2 * prior.sigma / far.shape[1] * far * (typical / incidence) ** 2
    signs = shared_errors(count)[:, BEYOND].astype(np.float32)
    return np.asarray(signs[:, None, None] * growth, np.float32)


def _apart(departure: Field, decided: NDArray[np.bool_]) -> float:
    """Robust standard deviation of departures a tenth of the width apart; NaN = too few tell."""
    lag = max(1, round(_LAG * departure.shape[1]))
    apart = np.concatenate(
        [
            (departure[:, lag:] - departure[:, :-lag])[decided[:, lag:] & decided[:, :-lag]],
            (departure[lag:] - departure[:-lag])[decided[lag:] & decided[:-lag]],
        ]
    )
    return robust_sigma(apart) / math.sqrt(2) if len(apart) >= _PLACES else math.nan


def relief_bands(rays: Field, inverse_depth: Field) -> list[Field]:
    """Coarse and fine departure of an inverse depth from its robust plane, over its median.

    Where it is NaN, as around there.

    Args:
        rays: (H, W, 3).
        inverse_depth: (H, W), any unit.
    """
    valid = np.isfinite(inverse_depth)
    if np.count_nonzero(valid) < 16:
        return [np.zeros_like(inverse_depth), np.zeros_like(inverse_depth)]
    chosen = np.flatnonzero(valid.ravel())
    chosen = chosen[:: max(1, len(chosen) // _SAMPLES)]
    x, y = rays[..., 0], rays[..., 1]
    A = np.stack([x.ravel()[chosen], y.ravel()[chosen], np.ones(len(chosen))])
    values = inverse_depth.ravel()[chosen].astype(np.float64)
    a, b, c = robust_fit(A.astype(np.float64), values)
    plane = np.float32(a) * x + np.float32(b) * y + np.float32(c)
    relief = (inverse_depth - plane) / np.float32(middle(values))
    # Left at 0, holes were steps: slopes within 4 px of masked ground were 20 degrees off.
    relief = filled(np.where(valid, relief, 0).astype(np.float32), valid)
    coarse = _broad_mean(relief, _COARSE_SHARE * relief.shape[1])
    return [coarse, relief - coarse]


def _broad_mean(values: Field, sigma_px: float) -> Field:
    """A wide Gaussian mean, at a quarter of the resolution, which loses nothing of it."""
    small = half(half(values))
    return resized(blurred(small, sigma_px / 4), values.shape)
