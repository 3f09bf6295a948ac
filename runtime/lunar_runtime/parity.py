"""How far one set of network outputs is from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

# Keeps a reference value of zero from turning noise into an infinite relative error.
_SMALLEST_SHARE = 1e-3


def relative_error(
    actual: NDArray[np.floating], expected: NDArray[np.floating]
) -> tuple[float, float]:
    """Largest and mean relative error of one output.

    For vectors (pointmaps, descriptors) the error is ‖actual − expected‖ / ‖expected‖ per pixel,
    for scalars |actual − expected| / |expected|. A reference smaller than a thousandth of the
    output's mean magnitude counts as that much.

    Args:
        actual: (1, H, W, C) vectors or (1, H, W) scalars, as the graph gives them.
        expected: The same shape.

    Returns:
        (largest, mean); infinite where `actual` is not finite and `expected` is.

    Raises:
        InputError: The shapes differ or are of another kind, or `expected` is not finite.
    """
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if a.shape != e.shape or e.ndim not in (3, 4):
        raise InputError(f"cannot compare an output {a.shape} with {e.shape}")
    if not np.isfinite(e).all():
        raise InputError("cannot compare with a reference that is not finite")
    if not np.isfinite(a).all():
        return float("inf"), float("inf")
    vectors = e.ndim == 4
    error = np.linalg.norm(a - e, axis=-1) if vectors else np.abs(a - e)
    size = np.linalg.norm(e, axis=-1) if vectors else np.abs(e)
    share = error / np.maximum(size, max(_SMALLEST_SHARE * float(size.mean()), 1e-12))
    return float(share.max()), float(share.mean())
