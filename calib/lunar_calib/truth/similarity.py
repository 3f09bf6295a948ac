"""Similarity transforms between two sets of points: scale, rotation, translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from numpy.typing import NDArray


@dataclass(frozen=True)
class Sim3:
    """A similarity transform: target = scale · R · source + t.

    Attributes:
        scale: Positive.
        R: (3, 3) float64 rotation.
        t: (3,) float64, in the target's unit.
    """

    scale: float
    R: NDArray[np.float64]
    t: NDArray[np.float64]

    def apply(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Map (..., 3) points."""
        moved: NDArray[np.float64] = np.asarray(points, np.float64) @ (self.scale * self.R).T
        return moved + self.t


def umeyama(
    source: NDArray[Any],
    target: NDArray[Any],
    weights: NDArray[Any] | None = None,
    *,
    trim: float = 0.0,
) -> Sim3:
    """Least-squares similarity transform from `source` to `target` (Umeyama 1991).

    Args:
        source: (..., 3) points; not finite = ignored.
        target: (..., 3) corresponding points; not finite = ignored.
        weights: (...), not negative; None = equal.
        trim: Share of the points with the largest residuals to leave out, in [0, 1); 0 = plain
            least squares. Found by a few alternations of fit and selection.

    Returns:
        The transform that minimises Σ w ‖scale·R·source + t − target‖².

    Raises:
        InputError: The shapes differ, or fewer than three pairs that are not on one line.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if source.shape != target.shape or source.shape[-1:] != (3,):
        raise InputError(f"points must be alike (..., 3), not {source.shape} and {target.shape}")
    if not 0 <= trim < 1:
        raise InputError(f"trim must be in [0, 1), not {trim}")
    weight = np.ones(source.shape[:-1]) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != source.shape[:-1]:
        raise InputError(f"weights must be {source.shape[:-1]}, not {weight.shape}")
    keep = np.isfinite(source).all(-1) & np.isfinite(target).all(-1) & (weight > 0)
    source, target, weight = source[keep], target[keep], weight[keep]
    transform = _umeyama(source, target, weight)
    if trim > 0:
        count = max(3, round(len(source) * (1 - trim)))
        for _ in range(10):
            residual = np.sum((transform.apply(source) - target) ** 2, axis=-1)
            inside = np.argpartition(residual, count - 1)[:count]
            transform = _umeyama(source[inside], target[inside], weight[inside])
    return transform


def _umeyama(
    source: NDArray[np.float64], target: NDArray[np.float64], weight: NDArray[np.float64]
) -> Sim3:
    if len(source) < 3:
        raise InputError(f"an alignment needs three pairs of points; there are {len(source)}")
    weight = weight / weight.sum()
    source_centre, target_centre = weight @ source, weight @ target
    source, target = source - source_centre, target - target_centre
    variance = float(weight @ np.sum(source**2, axis=-1))
    U, strength, Vt = np.linalg.svd((target * weight[:, None]).T @ source)
    if not (variance > 0 and strength[1] > 1e-12 * strength[0]):
        raise InputError("an alignment needs three pairs of points that are not on one line")
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U) * np.linalg.det(Vt))])
    R = (U * sign) @ Vt
    scale = float(strength @ sign) / variance
    return Sim3(scale, R, target_centre - scale * R @ source_centre)
