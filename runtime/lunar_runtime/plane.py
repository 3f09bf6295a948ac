"""The plane that the scene lies in, robustly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

_MAX_POINTS = 20_000  # more only costs time: the plane has three parameters
_RANDOM_STARTS = 32
_ITERATIONS = 30
_TUKEY = 4.685  # 95 % efficiency on Gaussian residuals
_SIGMA_PER_MAD = 1.4826


@dataclass(frozen=True)
class Plane:
    """The points p with normal · p = offset, in a camera's frame.

    Attributes:
        normal: (3,) float64 unit vector towards the camera: the scene's "up".
        offset: In the points' unit; never positive, as the camera is at the origin.
    """

    normal: NDArray[np.float64]
    offset: float

    @property
    def camera_height(self) -> float:
        """Distance of the camera from the plane, in the points' unit."""
        return -self.offset

    def height(self, points: NDArray[Any]) -> NDArray[np.float64]:
        """Signed height of (..., 3) points above the plane, positive towards the camera."""
        return np.asarray(points, dtype=np.float64) @ self.normal - self.offset


def fit_plane(points: NDArray[Any], weights: NDArray[Any] | None = None, *, seed: int = 0) -> Plane:
    """Fit a plane that a minority of points cannot pull away.

    Iteratively reweighted total least squares with Tukey's biweight, started from the plane of
    all points and from the best planes of a few random triples; the start with the smallest
    (weighted) median distance wins. The same input gives the same plane.

    Args:
        points: (H, W, 3) or (N, 3), any unit, camera frame; points that are not finite are ignored.
        weights: (H, W) or (N,), for example confidence; None = equal. Not finite or negative = 0.
        seed: Of the random starts.

    Returns:
        The plane, its normal towards the camera.

    Raises:
        InputError: Wrong shapes, or fewer than three usable points, or all on one line.
    """
    point, weight = usable_points(points, weights)
    if len(point) > _MAX_POINTS:
        # A stride prime to the image's width would do; random rows need no such luck.
        chosen = np.sort(np.random.default_rng(seed).choice(len(point), _MAX_POINTS, replace=False))
        point, weight = point[chosen], weight[chosen]
    centre = np.average(point, axis=0, weights=weight)
    spread = float(np.sqrt(np.average(np.sum((point - centre) ** 2, axis=-1), weights=weight)))
    if not spread > 0:
        raise InputError("a plane needs three points that are not on one line; all are the same")
    unit = (point - centre) / spread

    starts = [least_squares_plane(unit, weight), *_random_planes(unit, weight, seed)]
    candidates = [_reweight(unit, weight, *start) for start in starts]
    normal, offset = min(candidates, key=lambda plane: _median_distance(unit, weight, *plane))
    return _towards_camera(normal, offset * spread + float(normal @ centre))


def usable_points(
    points: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The finite points of positive weight, as (N, 3), with their weights, as (N,), both float64.

    Raises:
        InputError: Wrong shapes, or fewer than three usable points.
    """
    points = np.asarray(points)
    if points.ndim not in (2, 3) or points.shape[-1] != 3:
        raise InputError(f"points must be (H, W, 3) or (N, 3), not {points.shape}")
    keep = np.isfinite(points).all(axis=-1)
    if weights is None:
        weight = np.ones(points.shape[:-1])
    else:
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != points.shape[:-1]:
            raise InputError(f"weights must be {points.shape[:-1]}, not {weight.shape}")
        keep &= np.isfinite(weight) & (weight > 0)
    count = int(np.count_nonzero(keep))
    if count < 3:
        raise InputError(f"a plane needs three usable points; there are {count}")
    return points[keep].astype(np.float64), weight[keep]


def least_squares_plane(
    point: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Total least squares: the (3,) unit normal, of either sign, and the offset.

    Args:
        point: (N, 3), finite.
        weight: (N,), not negative, of positive sum.

    Raises:
        InputError: The points are on one line.
    """
    centre = weight @ point / weight.sum()
    delta = point - centre
    variance, axes = np.linalg.eigh((delta * weight[:, None]).T @ delta / weight.sum())
    if not variance[1] > 1e-12 * variance[2]:
        raise InputError("a plane needs three points that are not on one line; these all are")
    normal: NDArray[np.float64] = axes[:, 0]
    return normal, float(normal @ centre)


def _random_planes(
    point: NDArray[np.float64], weight: NDArray[np.float64], seed: int
) -> list[tuple[NDArray[np.float64], float]]:
    """The three triples' planes of smallest median distance."""
    rng = np.random.default_rng(seed)
    triples = point[rng.choice(len(point), size=(_RANDOM_STARTS, 3), p=weight / weight.sum())]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=-1)
    good = lengths > 1e-6  # of points at unit spread
    normals = normals[good] / lengths[good, None]
    offsets = np.sum(normals * triples[good, 0], axis=-1)
    sample = point[rng.choice(len(point), size=min(len(point), 1000), p=weight / weight.sum())]
    score = np.median(np.abs(sample @ normals.T - offsets), axis=0)
    return [(normals[i], float(offsets[i])) for i in np.argsort(score, kind="stable")[:3]]


def _reweight(
    point: NDArray[np.float64],
    weight: NDArray[np.float64],
    normal: NDArray[np.float64],
    offset: float,
) -> tuple[NDArray[np.float64], float]:
    for _ in range(_ITERATIONS):
        distance = np.abs(point @ normal - offset)
        scale = _SIGMA_PER_MAD * _weighted_median(distance, weight)
        if scale <= 1e-12:  # half of the points lie exactly on it
            scale = 1e-12
        inside = np.clip(1 - (distance / (_TUKEY * scale)) ** 2, 0, None) ** 2
        try:
            new_normal, new_offset = least_squares_plane(point, weight * inside)
        except InputError:
            break
        moved = 1 - abs(float(new_normal @ normal))
        if new_normal @ normal < 0:
            new_normal, new_offset = -new_normal, -new_offset
        moved += abs(new_offset - offset)
        normal, offset = new_normal, new_offset
        if moved < 1e-12:
            break
    return normal, offset


def _median_distance(
    point: NDArray[np.float64],
    weight: NDArray[np.float64],
    normal: NDArray[np.float64],
    offset: float,
) -> float:
    return _weighted_median(np.abs(point @ normal - offset), weight)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def _towards_camera(normal: NDArray[np.float64], offset: float) -> Plane:
    # With the camera in the plane, "towards the camera" is against its viewing direction.
    flip = offset > 0 or (offset == 0 and normal[2] > 0)
    return Plane(-normal, -offset) if flip else Plane(normal, offset)
