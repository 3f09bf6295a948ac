"""Slopes of a pointmap.

Convention:
    Camera frame x right, y down, z forward; rows run down, columns right. A surface's normal is
    the one on the side that the camera sees: (0, 0, -1) for a wall straight ahead. Degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.fields import Field, blurred, resized
from lunar_runtime.geometry.pointmaps import as_pointmap

#: (H, W) of each coordinate: a third faster than one (H, W, 3).
_Planes = tuple[Field, Field, Field]

# Of the Gaussian's mass, what must fall on valid pixels. An image's corner keeps 0.25 and more; a
# line of single pixels has 0.2 at 2 px, and its slope across would be noise.
_MIN_SUPPORT = 0.2


def slope_deg(
    pointmap: NDArray[Any], up: ArrayLike, smoothing_px: float = 2.0
) -> NDArray[np.float32]:
    """Angle between the surface normal and `up`.

    Normals are central differences of the Gaussian-smoothed pointmap, one-sided at the image's
    border and beside invalid points. Smoothing averages whole points over the valid pixels alone,
    so a plane keeps its slope up to every edge.

    Args:
        pointmap: (H, W, 3), any one unit, camera frame (x right, y down, z forward). NaN = invalid.
        up: (3,) unit vector in the same frame.
        smoothing_px: Standard deviation of the Gaussian; 0 disables it.

    Returns:
        (H, W) float32 degrees in [0, 180]; more than 90 where the surface folds over. NaN where
        the pointmap is not finite or too few neighbours are.

    Raises:
        InputError: `pointmap` is not (H, W, 3), `up` no direction, or `smoothing_px` negative.
    """
    direction = _direction(up)
    return slope_of_normals(surface_normals(pointmap, smoothing_px), direction)


def slope_of_normals(normals: NDArray[np.float32], up: ArrayLike) -> NDArray[np.float32]:
    """`slope_deg` of a surface whose normals are known.

    Args:
        normals: (H, W, 3) unit vectors; NaN = none.
        up: As in `slope_deg`.

    Raises:
        InputError: `up` is no direction.
    """
    x, y, z = (np.asarray(plane, np.float32) for plane in cv2.split(normals))
    normal = x, y, z
    along = [np.float32(value) for value in _direction(up)]
    # The arccosine of nearly 1 has half its digits; the arctangent has all of them.
    return np.degrees(np.arctan2(_length(_cross(normal, along)), _dot(normal, along)))


def _direction(up: ArrayLike) -> NDArray[np.float64]:
    direction = np.asarray(up, dtype=np.float64)
    length = float(np.linalg.norm(direction)) if direction.shape == (3,) else math.nan
    if not (math.isfinite(length) and length > 0):
        raise InputError(f"up must be three finite numbers, not all zero: {direction.tolist()}")
    return direction / length


def surface_normals(pointmap: NDArray[Any], smoothing_px: float = 2.0) -> NDArray[np.float32]:
    """Unit normals of a pointmap, as `slope_deg` measures them.

    Args:
        pointmap: (H, W, 3), any one unit, camera frame. NaN = invalid.
        smoothing_px: Standard deviation of the Gaussian; 0 disables it.

    Returns:
        (H, W, 3) float32, on the camera's side of the surface; NaN where there is none.

    Raises:
        InputError: `pointmap` is not (H, W, 3), or `smoothing_px` negative.
    """
    normal = _normals(pointmap, smoothing_px)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Points that coincide have no normal: 0 / 0 is the NaN that we want.
        scale = 1 / _length(normal)
        return np.asarray(cv2.merge([plane * scale for plane in normal]), np.float32)


def slope_paper_deg(depth: NDArray[Any]) -> NDArray[np.float32]:
    """Arctangent of depth's Sobel gradient: the definition of the published evaluation.

    Not a physical slope: it is per *pixel*, so it grows with the image's resolution and with the
    unit of depth, and it is not zero on level ground seen obliquely. For comparison only; use
    `slope_deg` for everything else.

    Args:
        depth: (H, W), the unit that the published numbers use. NaN = invalid.

    Returns:
        (H, W) float32 degrees in [0, 90); NaN where any of the 3 × 3 neighbours is.

    Raises:
        InputError: `depth` is not (H, W).
    """
    depth = np.asarray(depth)
    if depth.ndim != 2:
        raise InputError(f"depth must be (H, W), not {depth.shape}")
    values = depth.astype(np.float64)
    # scale: the kernel's weights add up to 8 per unit of gradient.
    along_x = cv2.Sobel(
        values, cv2.CV_64F, 1, 0, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE
    )
    along_y = cv2.Sobel(
        values, cv2.CV_64F, 0, 1, ksize=3, scale=1 / 8, borderType=cv2.BORDER_REPLICATE
    )
    return np.degrees(np.arctan(np.hypot(along_x, along_y))).astype(np.float32)


def slope_sigma_deg(
    pointmap: NDArray[Any], draws: NDArray[Any], up: ArrayLike, smoothing_px: float = 2.0
) -> NDArray[np.float32]:
    """Expected standard deviation of `slope_deg`, from random errors of the depth.

    Every draw moves the pointmap along its rays, at half the resolution, and turns its normals, to
    first order in the draw; the variance is averaged over 8 px, as few draws tell it only roughly.

    Args:
        pointmap: (H, W, 3) in its own camera's frame or the left one's.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) relative errors of the depth.
        up: As in `slope_deg`.
        smoothing_px: As in `slope_deg`, in pixels of the pointmap.

    Returns:
        (H, W) float32 degrees.
    """
    height, width = pointmap.shape[:2]
    smooth = _smooth(np.asarray(pointmap)[::2, ::2], smoothing_px / 2)
    right, down = _differences(smooth)
    # Points p become p (1 + e), so the normal N = down × right becomes N + e_x A + e_y B, but for
    # its length: its part along `up` is linear in the slopes of e, its square quadratic.
    N, A, B = _cross(down, right), _cross(down, smooth), _cross(smooth, right)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = 1 / _length(N)
    direction = [np.float32(value) for value in np.asarray(up) / np.linalg.norm(up)]
    n, a, b = (_dot(field, direction) * scale for field in (N, A, B))
    scale *= scale
    na, nb, aa, bb, ab = (
        _dot(one, other) * scale for one, other in ((N, A), (N, B), (A, A), (B, B), (A, B))
    )
    na, nb, ab = 2 * na, 2 * nb, 2 * ab
    flat = np.arccos(np.clip(n, -1, 1))
    square = np.zeros(n.shape, np.float32)
    for draw in draws:
        e = np.asarray(draw, np.float32)
        if smoothing_px > 0:
            e = blurred(e, smoothing_px / 2)
        y, x = np.gradient(e)
        length = np.sqrt(1 + x * (na + aa * x + ab * y) + y * (nb + bb * y))
        moved = np.arccos(np.clip((n + a * x + b * y) / length, -1, 1)) - flat
        square += np.where(np.isfinite(moved), moved, np.float32(0)) ** 2
    square *= np.float32(np.degrees(1) ** 2)
    square /= len(draws)
    variance = blurred(square, 4.0)
    known = np.isfinite(flat)
    if not known.all():  # else errors would shrink beside what is invalid
        variance /= np.maximum(blurred(known.astype(np.float32), 4.0), np.float32(1e-3))
    twice = resized(variance, (2 * variance.shape[0], 2 * variance.shape[1]))
    return np.asarray(np.sqrt(twice[:height, :width]), np.float32)


def _normals(pointmap: NDArray[Any], smoothing_px: float) -> _Planes:
    """Normals of any length, on the camera's side of the surface; NaN or 0 = none."""
    pointmap = as_pointmap(pointmap)
    if not (math.isfinite(smoothing_px) and smoothing_px >= 0):
        raise InputError(f"smoothing must be 0 or more pixels, not {smoothing_px}")
    # Only differences count. Without the distance to the camera, float32 keeps their digits.
    thinned = pointmap[:: max(1, len(pointmap) // 64), :: max(1, pointmap.shape[1] // 64)]
    known = thinned[np.isfinite(thinned).all(axis=-1)]
    middle = np.median(known, axis=0) if len(known) else np.zeros(3)
    right, down = _differences(_smooth(pointmap, smoothing_px, middle))
    return _cross(down, right)  # down × right = -z: towards the camera


def _smooth(
    pointmap: NDArray[Any], smoothing_px: float, origin: ArrayLike = (0.0, 0.0, 0.0)
) -> _Planes:
    """Gaussian mean over valid points, from an origin; NaN stays NaN and does not spread."""
    start = np.asarray(origin, pointmap.dtype)
    x, y, z = (np.asarray(pointmap[..., i] - start[i], np.float32) for i in range(3))
    valid = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    whole = bool(valid.all())
    if not whole:
        x, y, z = (np.where(valid, plane, np.float32(0)) for plane in (x, y, z))
    if smoothing_px > 0 and valid.any():
        share = _gaussian(valid.astype(np.float32), smoothing_px)
        valid &= share >= _MIN_SUPPORT
        share = np.maximum(share, _MIN_SUPPORT)
        x, y, z = (_gaussian(plane, smoothing_px) / share for plane in (x, y, z))
    if whole and valid.all():
        return x, y, z
    x, y, z = (np.where(valid, plane, np.float32(np.nan)) for plane in (x, y, z))
    return x, y, z


def _gaussian(plane: Field, sigma_px: float) -> Field:
    """Blurred, with nothing beyond the edge."""
    size = 2 * math.ceil(3 * sigma_px) + 1
    return np.asarray(
        cv2.GaussianBlur(plane, (size, size), sigma_px, borderType=cv2.BORDER_CONSTANT), np.float32
    )


def _differences(planes: _Planes) -> tuple[_Planes, _Planes]:
    """Steps to the right and down, a pixel each."""
    right, down = zip(
        *((_difference(plane.T).T, _difference(plane)) for plane in planes), strict=True
    )
    return right, down


def _difference(values: Field) -> Field:
    """Half of next minus previous row; the whole one-sided step where only one of them is valid."""
    if len(values) < 2:
        return np.full_like(values, np.nan)
    step = values[1:] - values[:-1]
    found = np.empty_like(values)
    np.add(step[:-1], step[1:], out=found[1:-1])
    found[1:-1] *= np.float32(0.5)
    found[:1], found[-1:] = step[:1], step[-1:]
    if not np.isfinite(found).all():
        edge = np.full((1, *values.shape[1:]), np.nan, np.float32)
        before, after = np.concatenate([edge, step]), np.concatenate([step, edge])
        one_sided = np.where(np.isfinite(after), after, before)
        found = np.where(np.isfinite(found), found, one_sided)
    return found


def _cross(a: _Planes, b: Sequence[Any]) -> _Planes:
    """Vector product."""
    (ax, ay, az), (bx, by, bz) = a, b
    return ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx


def _dot(a: _Planes, b: Sequence[Any]) -> Field:
    (ax, ay, az), (bx, by, bz) = a, b
    return np.asarray(ax * bx + ay * by + az * bz, np.float32)


def _length(a: _Planes) -> Field:
    return np.sqrt(_dot(a, a))
