"""From the pointmaps to plane, scale, depth and slope."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.plane import Plane, fit_plane
from lunar_runtime.geometry.pose import PoseEstimate, transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import (
    Scale,
    ScaleSource,
    relative_scale,
    scale_from_altitude,
    scale_from_baseline,
    scale_from_rig,
)
from lunar_runtime.geometry.slope import slope_deg, slope_paper_deg, slope_sigma_deg
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import (
    Geometry,
    NetworkMaps,
    Precision,
    Refinement,
    Side,
    UpEstimate,
    ViewResult,
)

_SHORT_BASELINE = 0.1  # of the depth; see `scale_from_baseline` for what it costs
_MISPLACED_DEG = 30.0  # where half of the recovered baseline is error: sin 30° = 0.5


def solve_geometry(
    maps: Maps,
    options: InferOptions,
    rig: Rig,
    *,
    refinement: Refinement | None = None,
    network: Maps | None = None,
    not_finite: dict[str, int] | None = None,
    warnings: Sequence[str] = (),
) -> Geometry:
    """Work out everything that was asked for.

    What was asked for and cannot be had is an error; what nobody asked for and cannot be had (the
    pose, while only the left depth is wanted) is a warning.

    Args:
        maps: The pointmaps to go by.
        options: What to work out; checked against the bundle already.
        rig: What is known of the cameras, in pixels of the images as given.
        refinement: How the maps came about; None = they are the network's.
        network: What the network said, kept for comparison.
        not_finite: Per output of the network, pixels that were not finite.
        warnings: Those so far.

    Raises:
        InputError: The scale or the view that was asked for cannot be had from the maps.
    """
    noted = list(warnings)
    left, right, pose = maps.left, maps.right, maps.pose
    refined = refinement is not None and refinement.done
    if pose is None and (options.view != "left" or options.baseline_m is not None):
        what = "--baseline-m" if options.view == "left" else f"--view {options.view}"
        raise InputError(
            f"{what} needs the right camera's pose, which neither the network's right pointmap nor "
            f"the images gave{_because(refinement)}"
        )
    if options.view != "left" and right is None:
        raise InputError(
            f"--view {options.view} needs the right pointmap, which this bundle does not have"
            f"{_because(refinement)}; export the student with `lunar-export --outputs both`"
        )
    plane = _plane(left, maps.confidence_left, options, rig, noted)
    scale = _scale(left, pose, plane, options, rig, noted)
    if scale.source in (ScaleSource.BASELINE, ScaleSource.RIG) and pose is not None:
        _doubt_scale(left, pose, rig, noted, refined=refined)

    left = _times(left, scale.factor)
    right = None if right is None else _times(right, scale.factor)
    pose = None if pose is None else _times_pose(pose, scale.factor)
    plane = None if plane is None else Plane(plane.normal, plane.offset * scale.factor)
    up = _up(plane, rig)

    views: dict[Side, ViewResult] = {}
    if options.view in ("left", "both"):
        shown = _Shown(left, left, maps.confidence_left, maps.precision_left)
        views["left"] = _view("left", shown, up, options, noted)
    if options.view in ("right", "both") and right is not None and pose is not None:
        assert maps.confidence_right is not None  # came with `right`
        seen = transform_points(pose.right_from_left, right)
        shown = _Shown(right, seen, maps.confidence_right, maps.precision_right)
        views["right"] = _view("right", shown, up, options, noted)
    if options.slope == "paper":
        noted.append("slope: the paper's, per pixel and per unit of depth; it is not physical")
    return Geometry(
        pointmap_left=left,
        pointmap_right=right,
        confidence_left=maps.confidence_left,
        confidence_right=maps.confidence_right,
        views=views,
        scale=scale,
        camera_left=maps.camera_left,
        camera_right=maps.camera_right,
        pose=pose,
        plane=plane,
        up=up,
        not_finite=not_finite or {},
        warnings=tuple(noted),
        mapping=maps.mapping,
        refinement=refinement,
        network=None if network is None else _network(network, scale.factor),
    )


class _Shown(NamedTuple):
    """What one camera shows: points in the left frame, the same in its own, and how sure."""

    points: NDArray[np.float32]
    seen: NDArray[np.float32]
    confidence: NDArray[np.float32]
    precision: Precision | None


def _because(refinement: Refinement | None) -> str:
    return "" if refinement is None or refinement.done else f" (not refined: {refinement.reason})"


def _network(network: Maps, factor: float) -> NetworkMaps:
    return NetworkMaps(
        mapping=network.mapping,
        pointmap_left=_times(network.left, factor),
        confidence_left=network.confidence_left,
        pointmap_right=None if network.right is None else _times(network.right, factor),
        confidence_right=network.confidence_right,
    )


def _plane(
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    options: InferOptions,
    rig: Rig,
    warnings: list[str],
) -> Plane | None:
    try:
        return fit_plane(points, confidence)
    except InputError as error:
        if options.altitude_m is not None or rig.up_left is None:
            raise
        warnings.append(f"plane: {error}")
        return None


def _scale(
    points: NDArray[np.float32],
    pose: PoseEstimate | None,
    plane: Plane | None,
    options: InferOptions,
    rig: Rig,
    warnings: list[str],
) -> Scale:
    if options.altitude_m is not None and plane is not None:
        return scale_from_altitude(plane, options.altitude_m)
    median_depth = float(np.nanmedian(points[..., 2]))
    depth = median_depth if median_depth > 0 else None
    if options.baseline_m is not None and pose is not None:
        return scale_from_baseline(pose.right_from_left, options.baseline_m, median_depth=depth)
    if rig.right_from_left is None:
        return relative_scale()
    if pose is None:
        warnings.append(
            "scale: the rig's baseline cannot fix it without the right pointmap and its pose; "
            "depth stays relative"
        )
        return relative_scale()
    return scale_from_rig(pose.right_from_left, rig.right_from_left, median_depth=depth)


def _doubt_scale(
    points: NDArray[np.float32],
    pose: PoseEstimate,
    rig: Rig,
    warnings: list[str],
    *,
    refined: bool,
) -> None:
    right = _camera_centre(pose.right_from_left)
    share = float(np.linalg.norm(right) / np.nanmedian(points[..., 2]))
    if 0 < share < _SHORT_BASELINE and not refined:
        warnings.append(
            f"scale: the baseline is {share:.1%} of the depth, so a pointmap error of 1 % moves "
            "the scale by 16 % and more; --altitude-m is safer"
        )
    if rig.right_from_left is None:
        return
    given = _camera_centre(rig.right_from_left)
    if not given.any():  # a rig that tells the turn alone, beside --baseline-m
        return
    cosine = float(right @ given / (np.linalg.norm(right) * np.linalg.norm(given)))
    angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
    if angle > _MISPLACED_DEG:
        raise InputError(
            f"the right camera was recovered {angle:.0f} degrees from where the rig has it, so the "
            "baseline cannot fix the scale; check which image is the left one, give --altitude-m, "
            "or leave right_from_left out of the rig"
        )


def _camera_centre(right_from_left: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) of the right camera, left camera's frame."""
    centre: NDArray[np.float64] = -right_from_left[:3, :3].T @ right_from_left[:3, 3]
    return centre


def _up(plane: Plane | None, rig: Rig) -> UpEstimate:
    if rig.up_left is not None:
        return UpEstimate(rig.up_left, "rig")
    assert plane is not None  # _plane raises rather than leave both unknown
    return UpEstimate(plane.normal, "plane")


def _view(
    side: Side, shown: _Shown, up: UpEstimate, options: InferOptions, warnings: list[str]
) -> ViewResult:
    """Depth in this camera's frame; slope in the left's, like `up`."""
    points, precision = shown.points, shown.precision
    depth = np.array(shown.seen[..., 2], np.float32)
    with np.errstate(invalid="ignore"):
        behind = depth <= 0
    if behind.any():
        count = int(np.count_nonzero(behind))
        warnings.append(f"{side}: {count} of {depth.size} points lie behind the camera")
        depth[behind] = np.nan
    if not np.isfinite(depth).any():
        raise InputError(f"no point of the {side} view lies in front of its camera; check the pair")
    depth_sigma = None
    if precision is not None:
        depth_sigma = np.asarray(depth * precision.sigma, np.float32)
    if options.slope == "paper":
        refined = None if precision is None else precision.refined
        slope = slope_paper_deg(depth)
        return ViewResult(depth, slope, shown.confidence, depth_sigma, None, refined)
    slope = slope_deg(points, up.vector, options.smoothing_px)
    slope[~np.isfinite(depth)] = np.nan
    if precision is None:
        return ViewResult(depth, slope, shown.confidence)
    slope_sigma = slope_sigma_deg(points, precision.draws, up.vector, options.smoothing_px)
    slope_sigma[~np.isfinite(slope)] = np.nan
    return ViewResult(depth, slope, shown.confidence, depth_sigma, slope_sigma, precision.refined)


def _times(points: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return np.asarray(points * np.float32(factor), np.float32)


def _times_pose(pose: PoseEstimate, factor: float) -> PoseEstimate:
    right_from_left = pose.right_from_left.copy()
    right_from_left[:3, 3] *= factor
    return PoseEstimate(right_from_left, pose.inlier_fraction, pose.reprojection_px)
