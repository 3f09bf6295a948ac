"""What "accurate" means: a pointmap against the true depth.

A pointmap has no scale and no outside frame, so a similarity transform is fitted first; what is
left is the error of *shape*. Always compare with `plane_null`: from orbit, most of the depth is
explained by a plane, and a method that found nothing but the plane looks good without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.plane import Plane, fit_plane, least_squares_plane
from lunar_runtime.geometry.slope import slope_deg
from numpy.typing import ArrayLike, NDArray

from lunar_calib.truth.similarity import Sim3, umeyama

# Relief below this share of the scene's size is the rounding of float32 points on a plane.
_FLAT = 1e-6

HAZARD_THRESHOLDS_DEG = (5.0, 10.0, 15.0, 20.0)


@dataclass(frozen=True)
class Accuracy:
    """The error of a pointmap's shape; see `measure_accuracy`.

    Attributes:
        absrel_median: Median of |Z - Z_true| / Z_true, a fraction (0.01 = 1 %).
        absrel_mean: Its mean.
        slope_mae_deg: Mean absolute error of the slope.
        relief_correlation: Pearson correlation of the heights above each one's own best plane; None
            where one of the two is flat.
        hazard_miss: Threshold in degrees -> share of the truly steeper pixels that are called
            flatter, i.e. safe; None where nothing is that steep.
        hazard_false_alarm: Threshold in degrees -> share of the truly flatter pixels that are
            called steeper; None where nothing is that flat.
        hazard_agreement: Threshold in degrees -> share of all pixels that both call steeper or both
            flatter; None where there are none.
        coverage: Share of the pixels with a true depth for which there is a prediction.
        pixels: How many pixels the figures are over, after erosion.
        alignment: The similarity transform that was applied to the pointmap.
    """

    absrel_median: float
    absrel_mean: float
    slope_mae_deg: float
    relief_correlation: float | None
    hazard_miss: dict[float, float | None]
    hazard_false_alarm: dict[float, float | None]
    hazard_agreement: dict[float, float | None]
    coverage: float
    pixels: int
    alignment: Sim3


def measure_accuracy(
    pointmap: NDArray[Any],
    depth_true: NDArray[Any],
    intrinsics_true: Intrinsics,
    *,
    smoothing_px: float = 2.0,
    erode_px: int = 3,
    up: ArrayLike | None = None,
    thresholds_deg: Sequence[float] = HAZARD_THRESHOLDS_DEG,
) -> Accuracy:
    """Compare a pointmap with the true depth, after the best similarity alignment.

    Args:
        pointmap: (H, W, 3), any unit and frame. Not finite = no prediction.
        depth_true: (H, W) true Z-depth in the camera's frame. Not finite or ≤ 0 = unknown.
        intrinsics_true: Of that camera, pixels of this (H, W) grid.
        smoothing_px: Of both slopes; see `slope_deg`.
        erode_px: Pixels that are left out beside invalid ones and along the image's border.
        up: (3,) direction in the true camera's frame; None = the normal of the true plane.
        thresholds_deg: Slopes that count as hazards.

    Returns:
        The figures.

    Raises:
        InputError: Wrong shapes, or too few pixels that both know.
    """
    true = true_pointmap(depth_true, intrinsics_true)
    pointmap = np.asarray(pointmap)
    if pointmap.shape != true.shape:
        raise InputError(f"pointmap must be {true.shape} like the true depth, not {pointmap.shape}")
    known = np.isfinite(true).all(axis=-1)
    both = known & np.isfinite(pointmap).all(axis=-1)
    mask = _erode(both, erode_px)
    if np.count_nonzero(mask) < 3:
        raise InputError(
            f"the pointmap and the true depth share {np.count_nonzero(both)} pixels, too few to "
            f"compare after an erosion of {erode_px} px"
        )
    alignment = umeyama(pointmap[both], true[both])
    aligned = alignment.apply(pointmap)

    absrel = np.abs(aligned[..., 2] - true[..., 2])[mask] / true[..., 2][mask]
    if up is None:
        up = fit_plane(true).normal
    slope_true = slope_deg(true, up, smoothing_px)
    slope = slope_deg(aligned, up, smoothing_px)
    sloped = mask & np.isfinite(slope) & np.isfinite(slope_true)
    a, b = slope[sloped].astype(np.float64), slope_true[sloped].astype(np.float64)
    return Accuracy(
        absrel_median=float(np.median(absrel)),
        absrel_mean=float(np.mean(absrel)),
        slope_mae_deg=float(np.mean(np.abs(a - b))) if a.size else float("nan"),
        relief_correlation=_relief_correlation(aligned[mask], true[mask]),
        hazard_miss={t: _share(a < t, b >= t) for t in thresholds_deg},
        hazard_false_alarm={t: _share(a >= t, b < t) for t in thresholds_deg},
        hazard_agreement={t: _share((a >= t) == (b >= t), b >= 0) for t in thresholds_deg},
        coverage=float(np.count_nonzero(both) / np.count_nonzero(known)),
        pixels=int(np.count_nonzero(mask)),
        alignment=alignment,
    )


def plane_null(
    depth_true: NDArray[Any],
    intrinsics_true: Intrinsics,
    *,
    smoothing_px: float = 2.0,
    erode_px: int = 3,
    up: ArrayLike | None = None,
    thresholds_deg: Sequence[float] = HAZARD_THRESHOLDS_DEG,
) -> Accuracy:
    """What a method scores that knows the best plane and nothing else.

    The plane is fitted to the true points, seen along the true rays, and measured like any
    pointmap. Arguments, result and errors as in `measure_accuracy`.
    """
    return measure_accuracy(
        null_pointmap(depth_true, intrinsics_true),
        depth_true,
        intrinsics_true,
        smoothing_px=smoothing_px,
        erode_px=erode_px,
        up=up,
        thresholds_deg=thresholds_deg,
    )


def null_pointmap(depth_true: NDArray[Any], intrinsics_true: Intrinsics) -> NDArray[np.float64]:
    """The plane null's pointmap: the true points' best plane, seen along the true rays.

    Args:
        depth_true: (H, W) true Z-depth; not finite or ≤ 0 = unknown.
        intrinsics_true: Of that camera, pixels of this grid.

    Returns:
        (H, W, 3) float64 at every pixel, known or not; NaN above the plane's horizon.

    Raises:
        InputError: Fewer than three pixels are known.
    """
    true = true_pointmap(depth_true, intrinsics_true)
    known = np.isfinite(true).all(axis=-1)
    if np.count_nonzero(known) < 3:
        raise InputError("the true depth has fewer than three valid pixels")
    normal, offset = least_squares_plane(true[known], np.ones(np.count_nonzero(known)))
    rays = pixel_rays(intrinsics_true, *known.shape).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = offset / (rays @ normal)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan  # above the plane's horizon
    return depth[..., None] * rays


def true_pointmap(depth_true: NDArray[Any], intrinsics_true: Intrinsics) -> NDArray[np.float64]:
    """Unproject a true Z-depth: (H, W) to (H, W, 3) float64, NaN where it is unknown.

    Raises:
        InputError: `depth_true` is not (H, W).
    """
    depth = np.asarray(depth_true, dtype=np.float64)
    if depth.ndim != 2:
        raise InputError(f"the true depth must be (H, W), not {depth.shape}")
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    return depth[..., None] * pixel_rays(intrinsics_true, *depth.shape)


def _relief(points: NDArray[np.float64]) -> NDArray[np.float64]:
    normal, offset = least_squares_plane(points, np.ones(len(points)))
    facing = Plane(normal, offset) if offset < 0 else Plane(-normal, -offset)
    return facing.height(points)


def _relief_correlation(points: NDArray[np.float64], true: NDArray[np.float64]) -> float | None:
    a, b = _relief(points), _relief(true)
    size = float(np.linalg.norm(np.std(true, axis=0)))
    if min(np.std(a), np.std(b)) <= _FLAT * size:
        return None
    spread = float(np.std(a)) * float(np.std(b))
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread)


def _share(event: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    count = np.count_nonzero(among)
    return float(np.count_nonzero(event & among) / count) if count else None


def _erode(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    if pixels < 0:
        raise InputError(f"erosion must be 0 or more pixels, not {pixels}")
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    border = cv2.BORDER_CONSTANT
    return np.asarray(
        cv2.erode(mask.astype(np.uint8), kernel, borderType=border, borderValue=0) > 0
    )
