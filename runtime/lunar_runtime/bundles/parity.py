"""How far one set of network outputs is from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError

# A point near the camera has no direction left to be right about: rounding that is 5e-5 of every
# other point is 1e-4 of one a hundred times nearer (S2 with random weights, FP32).
_SMALLEST_SHARE = 0.1


def relative_error(
    actual: NDArray[np.floating], expected: NDArray[np.floating]
) -> tuple[float, float]:
    """Largest and mean relative error of one output.

    For vectors (pointmaps, descriptors) the error is ‖actual − expected‖ / ‖expected‖ per pixel,
    for scalars |actual − expected| / |expected|. A reference smaller than a tenth of the
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
