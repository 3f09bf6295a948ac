"""The published evaluation's own metrics, so that results can be put beside the paper's.

Source: "Geometric Foundation Model Distillation for Efficient Lunar 3D Reconstruction" (ECCV 2026)
and the definitions in its public evaluation code (`moon_eval`); written anew from them. Ours, which
are in `scores`, are others, and the two are never mixed in a table.

What is defined there and taken as it is:

- *RMSE* of points: root of the mean squared difference over all coordinates (not over points);
  *depth RMSE*, *depth MAE*: of the third coordinate in the data's world frame. Each also over the
  median true depth of the two views, which is called AbsRel there.
- *SILog*: standard deviation of log(depth / true); *δk*: share with a ratio below 1.25^k.
- *accuracy*: mean distance of a predicted point from the nearest true one; *completeness*: the
  reverse; *Chamfer*: their mean. Of 20 000 points a view, drawn at random from either cloud.
- *slope*: arctan of the 3×3 Sobel gradient of the third coordinate per *pixel*, whose length is
  taken as 1: on metric data it is near 90° almost everywhere. It is not a slope of the ground.
- *HDA*, hazard detection and avoidance at 5, 10, 15, 20°, of that slope: *agreement* (both say safe
  or both say unsafe), *false alarm* (safe ground called unsafe), *miss* (unsafe called safe).
- the mask is eroded by 4 px for slope and HDA and not eroded for the rest; every figure is the mean
  over the two views, which share one similarity alignment. (Results here also have the left alone.)

Where it leaves a choice, or could not be followed:

- The published alignment is Umeyama's inside RANSAC, then ICP; ours is Umeyama's on all points. ICP
  moves points to any near surface, and hides errors along it.
- The world frame's third coordinate is negative on the south-polar samples, where the logarithm
  does not exist: SILog and δ are taken on the left camera's Z. Rendered shards have no world frame;
  there the left camera's Z is taken throughout.
- The published pipeline crops to 512×384 and, by default, scores the point maps after a global
  alignment of the two views; here the network's pointmaps are scored, on the whole image.
- Random draws make accuracy, completeness and Chamfer positive even for a perfect result: about
  half the distance of neighbouring drawn points. Compare them at one image size only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from lunar_calib.truth.similarity import umeyama
from lunar_runtime.geometry.slope import slope_paper_deg
from numpy.typing import NDArray

Points = NDArray[np.float64]

HDA_THRESHOLDS_DEG = (5, 10, 15, 20)
_SLOPE_EROSION_PX = 4
_CLOUD_POINTS = 20_000
_FEWEST = 10  # pixels, for a view's figures to be reported


def published_scores(
    views: Sequence[tuple[NDArray[Any], NDArray[Any]]],
    world_z: NDArray[np.float64] | None = None,
    *,
    cloud_points: int = _CLOUD_POINTS,
) -> dict[str, float]:
    """Every metric above, over one or both views of a pair.

    Args:
        views: Per view, the predicted pointmap (H, W, 3), any unit, and the true one, metres; all
            in the left camera's frame, NaN = unknown.
        world_z: (4,) the world frame's third coordinate as a function of a point; None = Z.
        cloud_points: Drawn for accuracy, completeness and Chamfer.

    Returns:
        Name -> value. Lengths in metres; shares, SILog and what ends in `_absrel` are fractions.
    """
    masks = [_both_known(*view) for view in views]
    predicted = np.concatenate([view[0][mask] for view, mask in zip(views, masks, strict=True)])
    true = np.concatenate([view[1][mask] for view, mask in zip(views, masks, strict=True)])
    alignment = umeyama(predicted, true)
    known = np.concatenate([view[1][np.isfinite(view[1]).all(axis=-1)] for view in views])
    median_depth = float(np.median(known[:, 2]))
    per_view = [
        _view_scores(alignment.apply(points), np.asarray(truth, np.float64), mask, world_z)
        | _cloud_scores(alignment.apply(points[mask]), truth[mask], cloud_points)
        for (points, truth), mask in zip(views, masks, strict=True)
        if np.count_nonzero(mask) >= _FEWEST
    ]
    names = dict.fromkeys(name for scores in per_view for name in scores)
    means = {
        name: float(np.mean([scores[name] for scores in per_view if name in scores]))
        for name in names
    }
    for name in [name for name in means if name.endswith("_m")]:
        means[name.removesuffix("_m") + "_absrel"] = means[name] / median_depth
    return means


def depth_scores(depth: NDArray[Any], true: NDArray[Any]) -> dict[str, float]:
    """SILog and δ1-δ3 of (N,) positive depths; others are left out."""
    keep = (depth > 0) & (true > 0)
    difference = np.log(depth[keep]) - np.log(true[keep])
    scores = {"silog": float(np.std(difference))}
    for k in (1, 2, 3):
        scores[f"delta{k}"] = float(np.mean(np.abs(difference) < k * np.log(1.25)))
    return scores


def hazard_scores(slope: NDArray[Any], true: NDArray[Any]) -> dict[str, float]:
    """HDA of (N,) slopes: agreement, false alarm and miss at each threshold, as fractions.

    A rate over no pixels, such as the misses where nothing is steep, is left out.
    """
    scores = {}
    for threshold in HDA_THRESHOLDS_DEG:
        unsafe, called = true >= threshold, slope >= threshold
        scores[f"hda_agreement_{threshold}deg"] = float(np.mean(unsafe == called))
        if not unsafe.all():
            scores[f"hda_false_alarm_{threshold}deg"] = float(np.mean(called[~unsafe]))
        if unsafe.any():
            scores[f"hda_miss_{threshold}deg"] = float(np.mean(~called[unsafe]))
    return scores


def nearest_distances(points: NDArray[Any], others: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of each of (N, 3) points from the nearest of (M, 3) others, exactly."""
    centre = np.mean(others, axis=0)  # float32 below: near the origin it resolves millimetres
    tree = cv2.flann.Index(
        np.ascontiguousarray(others - centre, np.float32), {"algorithm": 4, "leaf_max_size": 10}
    )  # 4: a single k-d tree, searched to the end
    query = np.ascontiguousarray(points - centre, np.float32)
    _, squared = tree.knnSearch(query, 1, params={"checks": -1})
    return np.sqrt(np.asarray(squared[:, 0], np.float64))


def _view_scores(
    points: Points, true: Points, mask: NDArray[np.bool_], world_z: NDArray[np.float64] | None
) -> dict[str, float]:
    difference = points[mask] - true[mask]
    height, height_true = (_third(p, world_z) for p in (points, true))
    step = (height - height_true)[mask]
    scores = {
        "rmse_m": float(np.sqrt(np.mean(difference**2))),
        "depth_rmse_m": float(np.sqrt(np.mean(step**2))),
        "depth_mae_m": float(np.mean(np.abs(step))),
    }
    scores |= depth_scores(points[mask][:, 2], true[mask][:, 2])
    kernel = np.ones((2 * _SLOPE_EROSION_PX + 1,) * 2, np.uint8)
    inside = cv2.erode(mask.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    slope, slope_true = (slope_paper_deg(h) for h in (height, height_true))
    usable = (np.asarray(inside) > 0) & np.isfinite(slope) & np.isfinite(slope_true)
    if np.count_nonzero(usable) >= _FEWEST:
        a, b = slope[usable].astype(np.float64), slope_true[usable].astype(np.float64)
        scores["slope_mae_deg"] = float(np.mean(np.abs(a - b)))
        scores["slope_rmse_deg"] = float(np.sqrt(np.mean((a - b) ** 2)))
        scores |= hazard_scores(a, b)
    return scores


def _cloud_scores(points: Points, true: NDArray[Any], count: int) -> dict[str, float]:
    rng = np.random.default_rng(42)
    clouds = []
    for cloud in (points, np.asarray(true, np.float64)):
        drawn = len(cloud) > count
        clouds.append(cloud[rng.choice(len(cloud), count, replace=False)] if drawn else cloud)
    accuracy = float(np.mean(nearest_distances(clouds[0], clouds[1])))
    completeness = float(np.mean(nearest_distances(clouds[1], clouds[0])))
    return {
        "accuracy_m": accuracy,
        "completeness_m": completeness,
        "chamfer_m": (accuracy + completeness) / 2,
    }


def _third(points: Points, world_z: NDArray[np.float64] | None) -> NDArray[np.float64]:
    if world_z is None:
        return points[..., 2]
    height: NDArray[np.float64] = points @ world_z[:3] + world_z[3]
    return height


def _both_known(points: NDArray[Any], true: NDArray[Any]) -> NDArray[np.bool_]:
    known: NDArray[np.bool_] = np.isfinite(points).all(axis=-1) & np.isfinite(true).all(axis=-1)
    return known
