"""Which pixels of an image are measurements, told from their values.

Values that mean *none*, whatever else the file says:

- NaN, infinity, and floating-point values of 3.4e38 and beyond either way: the nulls of ISIS, PDS
  and GDAL.
- -32768 to -32764 in signed 16-bit images: ISIS' null and its marks of saturation.
- A constant far outside the rest, in images of more than 8 bits: the smallest or the largest value
  if at least 8 pixels have exactly it and if it is farther from the middle 99.8 % of the other
  values than these are wide. So -9999, 0 and 65535 fill the edges of maps and mosaics without a
  tag. The rule is applied until it finds no more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT_NULL = 3.4e38
_ISIS_SPECIAL_16 = -32764  # and below: NULL, LRS, LIS, HIS, HRS

# Nodata comes in areas, hot pixels alone.
_LEAST_REPEATS = 8
_REST_PERCENTILES = (0.1, 99.9)
_MOST_CONSTANTS = 8
_SAMPLES = 4_000_000


def valid_values(values: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where values are measurements.

    Args:
        values: (h, w) grey or (h, w, 3) colour; native byte order.

    Returns:
        (h, w) bool; None where all of them are. A pixel with one invalid colour is invalid.
    """
    valid = _possible(values)
    if values.dtype.itemsize > 1:
        bands = values[..., None] if values.ndim == 2 else values
        for band in range(bands.shape[2]):
            valid = _without_constants(bands[..., band], valid)
    return valid


def _possible(values: NDArray[Any]) -> NDArray[np.bool_] | None:
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            possible = np.abs(values) < _FLOAT_NULL  # False for NaN
    elif values.dtype == np.int16:
        possible = values > _ISIS_SPECIAL_16
    else:
        return None
    if values.ndim == 3:
        possible = possible.all(axis=2)
    return None if possible.all() else np.asarray(possible, np.bool_)


def _without_constants(
    band: NDArray[Any], valid: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    for _ in range(_MOST_CONSTANTS):
        constant = _far_constant(band if valid is None else band[valid])
        if constant is None:
            return valid
        other = np.asarray(band != constant)
        valid = other if valid is None else valid & other
    return valid


def _far_constant(values: NDArray[Any]) -> Any:
    """The smallest or largest value, if it is a constant far outside the rest; else None."""
    if values.size < _LEAST_REPEATS:
        return None
    for constant in (values.min(), values.max()):
        # Most images end here, without a second look at their pixels.
        is_constant = values == constant
        repeats = int(np.count_nonzero(is_constant))
        if repeats < _LEAST_REPEATS or repeats == values.size:
            continue
        rest = values[~is_constant]
        rest = rest[:: max(1, rest.size // _SAMPLES)]
        low, high = (float(v) for v in np.percentile(rest, _REST_PERCENTILES))
        distance = max(low - float(constant), float(constant) - high)
        if distance > high - low:
            return constant
    return None
