"""The plane that the scene lies in, robustly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.pointmaps import finite
from lunar_runtime.geometry.robust import SIGMA_PER_MAD

_MAX_POINTS = 5_000  # evenly spread; more only costs time: the plane has three parameters
_RANDOM_STARTS = 64
_COMPARED = 500  # points by which starts are compared: their median to 5 %
_FIRST_ITERATIONS, _ITERATIONS = 5, 50  # from every start, and from the best of them
_SETTLED = 1e-5  # change of normal and offset, at unit spread, at which a fit ends
# Where Tukey's weight ends, in sigmas. Relief is not noise: at the customary 4.7 a big crater wall
# is an outlier and the plane turns away from gravity, by 4.4° on one StereoLunar scene where least
# squares is 1.4° off. At 8 the mean over eight views is that of least squares (1.9°), and it stays
# (2.4° instead of 20°) when a fifth of each image is spoilt.
_TUKEY = 8.0


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
        """Signed height of (..., 3) points above the plane, in their unit, positive = up."""
        heights: NDArray[np.float64] = np.asarray(points, dtype=np.float64) @ self.normal
        return heights - self.offset


def fit_plane(points: NDArray[Any], weights: NDArray[Any] | None = None, *, seed: int = 0) -> Plane:
    """Fit a plane that a minority of wrong points cannot pull away.

    An MM-estimate: the least median of distances, over the planes of a few dozen random triples
    and the least-squares plane, tells how far points are from a plane; total least squares,
    reweighted with Tukey's biweight of that width, then uses all points that are not far beyond it.
    The same input gives the same plane.

    Args:
        points: (H, W, 3) or (N, 3), any unit, camera frame; points that are not finite are ignored.
        weights: (H, W) or (N,), for example confidence; None = equal. Not finite or ≤ 0 = ignored.
        seed: Of the random triples.

    Returns:
        The plane, its normal towards the camera.

    Raises:
        InputError: Wrong shapes, or fewer than three usable points, or all of them on one line.
    """
    point, weight = _usable_points(points, weights)
    rng = np.random.default_rng(seed)
    # Centred and at unit spread, tolerances mean the same in kilometres and in the network's unit.
    share = weight / weight.sum()
    centre = share @ point
    spread = float(np.sqrt(share @ np.sum((point - centre) ** 2, axis=-1)))
    unit = (point - centre) / (spread if spread > 0 else 1.0)

    starts = [least_squares_plane(unit, weight), *_planes_of_triples(unit, share, rng)]
    sample = unit[rng.choice(len(unit), size=min(len(unit), _COMPARED), p=share)]  # equal weights
    normals, offsets = zip(*starts, strict=True)
    distance = np.abs(np.array(normals) @ sample.T - np.array(offsets)[:, None])
    middle = distance.shape[1] // 2
    median = np.partition(distance, middle, axis=1)[:, middle]
    # 1e-9: rounding of float64 points that lie exactly on a plane, with room to spare.
    width = _TUKEY * max(SIGMA_PER_MAD * float(median.min()), 1e-9)

    best = [0, *(int(i) for i in np.argsort(median[1:], kind="stable")[:2] + 1)]
    columns = np.ascontiguousarray(unit.T)
    candidates = [_reweight(columns, weight, width, _FIRST_ITERATIONS, *starts[i]) for i in best]
    nearest = min(candidates, key=lambda plane: _tukey_cost(columns, share, width, *plane))
    normal, offset = _reweight(columns, weight, width, _ITERATIONS, *nearest)
    return _towards_camera(normal, offset * (spread or 1.0) + float(normal @ centre))


def _usable_points(
    points: NDArray[Any], weights: NDArray[Any] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Some finite points of positive weight, (N, 3), with their weights, (N,), both float64.

    Raises:
        InputError: Wrong shapes, or fewer than three usable points.
    """
    points = np.asarray(points)
    if points.ndim not in (2, 3) or points.shape[-1] != 3:
        raise InputError(f"points must be (H, W, 3) or (N, 3), not {points.shape}")
    keep = finite(points)
    weight: NDArray[np.float64] | None = None
    if weights is not None:
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != points.shape[:-1]:
            raise InputError(f"weights must be {points.shape[:-1]}, not {weight.shape}")
        keep &= np.isfinite(weight) & (weight > 0)
    usable = np.flatnonzero(keep)
    count = len(usable)
    if count < 3:
        raise InputError(
            f"a plane needs three finite points of positive weight; there are {count}: check the "
            "pointmap and its mask"
        )
    if count > _MAX_POINTS:
        usable = usable[np.arange(_MAX_POINTS) * count // _MAX_POINTS]
    point = points.reshape(-1, 3)[usable].astype(np.float64)
    return point, np.ones(len(usable)) if weight is None else weight.ravel()[usable]


def least_squares_plane(
    point: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Total least squares: the (3,) unit normal, of either sign, and the offset.

    Args:
        point: (N, 3), finite.
        weight: (N,), not negative.

    Raises:
        InputError: The points of positive weight are on one line, or there are none.
    """
    return _least_squares(np.ascontiguousarray(point.T), weight)


def _least_squares(
    columns: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """`least_squares_plane` of (3, N) points: long rows are quicker than tall columns."""
    total = weight.sum()
    share = weight / (total if total > 0 else 1.0)
    centre = columns @ share
    delta = columns - centre[:, None]
    variance, axes = np.linalg.eigh((delta * share) @ delta.T)
    if not variance[1] > 1e-12 * variance[2]:  # also when all are one point
        raise InputError(
            "a plane needs three points that are not on one line; all usable points are"
        )
    normal: NDArray[np.float64] = axes[:, 0]
    return normal, float(normal @ centre)


def _planes_of_triples(
    point: NDArray[np.float64], share: NDArray[np.float64], rng: np.random.Generator
) -> list[tuple[NDArray[np.float64], float]]:
    triples = point[rng.choice(len(point), size=(_RANDOM_STARTS, 3), p=share)]
    normals = np.cross(triples[:, 1] - triples[:, 0], triples[:, 2] - triples[:, 0])
    lengths = np.linalg.norm(normals, axis=-1)
    good = lengths > 1e-6  # at unit spread; a thinner triple tells nothing
    normals = normals[good] / lengths[good, None]
    offsets = np.sum(normals * triples[good, 0], axis=-1)
    return [(normal, float(offset)) for normal, offset in zip(normals, offsets, strict=True)]


def _reweight(
    columns: NDArray[np.float64],
    weight: NDArray[np.float64],
    width: float,
    iterations: int,
    normal: NDArray[np.float64],
    offset: float,
) -> tuple[NDArray[np.float64], float]:
    for _ in range(iterations):
        inside = _inside(columns, width, normal, offset)
        inside *= inside
        inside *= weight
        try:
            new_normal, new_offset = _least_squares(columns, inside)
        except InputError:  # too few points so near to this start: another one wins
            break
        if new_normal @ normal < 0:
            new_normal, new_offset = -new_normal, -new_offset
        moved = float(np.abs(new_normal - normal).max()) + abs(new_offset - offset)
        normal, offset = new_normal, new_offset
        if moved < _SETTLED:
            break
    return normal, offset


def _tukey_cost(
    columns: NDArray[np.float64],
    share: NDArray[np.float64],
    width: float,
    normal: NDArray[np.float64],
    offset: float,
) -> float:
    return float(share @ (1 - _inside(columns, width, normal, offset) ** 3))


def _inside(
    columns: NDArray[np.float64], width: float, normal: NDArray[np.float64], offset: float
) -> NDArray[np.float64]:
    """(N,) 1 on the plane, 0 from the width on."""
    distance = normal @ columns
    distance -= offset
    distance /= width
    distance *= distance
    np.subtract(1, distance, out=distance)
    return np.maximum(distance, 0, out=distance)


def _towards_camera(normal: NDArray[np.float64], offset: float) -> Plane:
    # With the camera in the plane, "towards the camera" is against its viewing direction.
    flip = offset > 0 or (offset == 0 and normal[2] > 0)
    return Plane(-normal, -offset) if flip else Plane(normal, offset)
