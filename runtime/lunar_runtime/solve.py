"""From the network's pointmaps to cameras, pose, scale, depth and slope."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .cameras import Rig, estimate_intrinsics
from .errors import InputError
from .options import InferOptions
from .plane import Plane, fit_plane
from .pose import PoseEstimate, right_from_left_pose, transform_points
from .preprocess import FrameMapping
from .result import CameraEstimate, Geometry, Side, UpEstimate, ViewResult
from .scale import (
    Scale,
    ScaleSource,
    relative_scale,
    scale_from_altitude,
    scale_from_baseline,
    scale_from_rig,
)
from .slope import slope_deg, slope_paper_deg

_WIDEST_DEG = 120.0  # a fisheye; descent and mapping cameras have 10 to 90
_SHORT_BASELINE = 0.1  # of the depth; see `scale_from_baseline` for what it costs
_MISPLACED_DEG = 30.0  # where half of the recovered baseline is error: sin 30° = 0.5


def solve_geometry(
    outputs: dict[str, NDArray[np.float32]],
    options: InferOptions,
    rig: Rig,
    mapping: FrameMapping,
) -> Geometry:
    """Work out everything that was asked for.

    What was asked for and cannot be had is an error; what nobody asked for and cannot be had (the
    pose, while only the left depth is wanted) is a warning.

    Args:
        outputs: Of the graph, with the batch axis: at least `pointmap_left` (1, H, W, 3) and
            `confidence_left` (1, H, W).
        options: What to work out; checked against the bundle already.
        rig: What is known of the cameras, in pixels of the images as given.
        mapping: From those pixels to the network's grid.

    Raises:
        InputError: Nothing usable is in the outputs, or the scale or the pose that was asked for
            cannot be had from them.
    """
    warnings: list[str] = []
    not_finite: dict[str, int] = {}
    for name, values in outputs.items():
        if name.startswith(("pointmap", "confidence")):
            _count_not_finite(name, values, not_finite, warnings)
    confidence_left, left = _masked("left", outputs, options.min_confidence)
    camera_left, camera_right = _cameras(left, confidence_left, options, rig, mapping)
    _doubt_camera(camera_left, mapping, warnings)
    confidence_right: NDArray[np.float32] | None = None
    right: NDArray[np.float32] | None = None
    pose: PoseEstimate | None = None
    if "pointmap_right" in outputs:
        confidence_right, right = _masked("right", outputs, options.min_confidence)
        pose = _pose(right, confidence_right, camera_right, options, warnings)
    plane = _plane(left, confidence_left, options, rig, warnings)
    scale = _scale(left, pose, plane, options, rig, warnings)
    if scale.source in (ScaleSource.BASELINE, ScaleSource.RIG) and pose is not None:
        _doubt_scale(left, pose, rig, warnings)

    left = _times(left, scale.factor)
    right = None if right is None else _times(right, scale.factor)
    pose = None if pose is None else _times_pose(pose, scale.factor)
    plane = None if plane is None else Plane(plane.normal, plane.offset * scale.factor)
    up = _up(plane, rig)

    views: dict[Side, ViewResult] = {}
    if options.view in ("left", "both"):
        views["left"] = _view("left", left, left, confidence_left, up, options, warnings)
    if options.view in ("right", "both") and right is not None and pose is not None:
        seen = transform_points(pose.right_from_left, right)
        assert confidence_right is not None  # came with `right`
        views["right"] = _view("right", right, seen, confidence_right, up, options, warnings)
    if options.slope == "paper":
        warnings.append("slope: the paper's, per pixel and per unit of depth; it is not physical")
    return Geometry(
        pointmap_left=left,
        pointmap_right=right,
        confidence_left=confidence_left,
        confidence_right=confidence_right,
        views=views,
        scale=scale,
        camera_left=camera_left,
        camera_right=camera_right,
        pose=pose,
        plane=plane,
        up=up,
        not_finite=not_finite,
        warnings=tuple(warnings),
    )


def _count_not_finite(
    name: str, values: NDArray[np.float32], not_finite: dict[str, int], warnings: list[str]
) -> None:
    bad = ~np.isfinite(values if values.ndim == 3 else values.sum(axis=-1))
    count = int(np.count_nonzero(bad))
    if count:
        not_finite[name] = count
        warnings.append(f"{name}: {count} of {bad.size} pixels are not finite")


def _masked(
    side: Side, outputs: dict[str, NDArray[np.float32]], min_confidence: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Confidence, and the pointmap with NaN wherever either of them cannot be used."""
    points, confidence = outputs[f"pointmap_{side}"][0], outputs[f"confidence_{side}"][0]
    usable = np.isfinite(points).all(axis=-1) & np.isfinite(confidence)
    if not usable.any():
        raise InputError(
            f"the network gave no finite point for the {side} image; check this machine with "
            "StereoRuntime.check_golden, or the bundle with another pair"
        )
    if min_confidence is not None:
        highest = float(confidence[usable].max())
        usable &= confidence >= min_confidence
        if not usable.any():
            raise InputError(
                f"--min-confidence {min_confidence:g} leaves nothing of the {side} image, whose "
                f"highest confidence is {highest:.3g}; lower it"
            )
    return confidence, np.where(usable[..., None], points, np.float32(np.nan))


def _cameras(
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    options: InferOptions,
    rig: Rig,
    mapping: FrameMapping,
) -> tuple[CameraEstimate, CameraEstimate]:
    if options.intrinsics is not None:
        both = CameraEstimate(mapping.to_network(options.intrinsics), "option")
        return both, both
    if rig.left is not None:
        left = CameraEstimate(mapping.to_network(rig.left), "rig")
    else:
        left = CameraEstimate(estimate_intrinsics(points, confidence), "estimated")
    if rig.right is not None:
        return left, CameraEstimate(mapping.to_network(rig.right), "rig")
    # The right pointmap is in the left camera's frame, so it says nothing of its own camera
    # before the pose is known: two cameras of one kind, or one that moved, is the common case.
    return left, CameraEstimate(left.intrinsics, f"{left.source} (left)")


def _doubt_camera(camera: CameraEstimate, mapping: FrameMapping, warnings: list[str]) -> None:
    angle = 2 * math.degrees(math.atan2(mapping.network_width / 2, camera.intrinsics.fx))
    if camera.source == "estimated" and angle > _WIDEST_DEG:
        warnings.append(
            f"camera: the pointmap spans {angle:.0f} degrees, as no pinhole camera does; the "
            "network does not understand this pair"
        )


def _pose(
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    camera: CameraEstimate,
    options: InferOptions,
    warnings: list[str],
) -> PoseEstimate | None:
    try:
        return right_from_left_pose(points, camera.intrinsics, confidence)
    except InputError as error:
        if options.view != "left" or options.baseline_m is not None:
            raise
        warnings.append(f"pose: {error}")
        return None


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
    points: NDArray[np.float32], pose: PoseEstimate, rig: Rig, warnings: list[str]
) -> None:
    right = _camera_centre(pose.right_from_left)
    share = float(np.linalg.norm(right) / np.nanmedian(points[..., 2]))
    if 0 < share < _SHORT_BASELINE:
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
    side: Side,
    points: NDArray[np.float32],
    seen: NDArray[np.float32],
    confidence: NDArray[np.float32],
    up: UpEstimate,
    options: InferOptions,
    warnings: list[str],
) -> ViewResult:
    """Depth from `seen`, in this camera's frame; slope from `points`, in the left's, like `up`."""
    depth = np.array(seen[..., 2], np.float32)
    with np.errstate(invalid="ignore"):
        behind = depth <= 0
    if behind.any():
        count = int(np.count_nonzero(behind))
        warnings.append(f"{side}: {count} of {depth.size} points lie behind the camera")
        depth[behind] = np.nan
    if not np.isfinite(depth).any():
        raise InputError(f"no point of the {side} view lies in front of its camera; check the pair")
    if options.slope == "paper":
        return ViewResult(depth, slope_paper_deg(depth), confidence)
    slope = slope_deg(points, up.vector, options.smoothing_px)
    slope[~np.isfinite(depth)] = np.nan
    return ViewResult(depth, slope, confidence)


def _times(points: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return np.asarray(points * np.float32(factor), np.float32)


def _times_pose(pose: PoseEstimate, factor: float) -> PoseEstimate:
    right_from_left = pose.right_from_left.copy()
    right_from_left[:3, 3] *= factor
    return PoseEstimate(right_from_left, pose.inlier_fraction, pose.reprojection_px)
