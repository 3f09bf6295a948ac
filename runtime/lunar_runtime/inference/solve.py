"""From the pointmaps to plane, scale, depth and slope."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.pose import PoseEstimate, transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import (
    Scale,
    ScaleSource,
    altitude_errors,
    relative_scale,
    scale_from_altitude,
    scale_from_baseline,
    scale_from_rig,
)
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.lengths import doubt_lengths
from lunar_runtime.inference.maps import NOMINAL, Maps, PointMap
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import (
    Geometry,
    NetworkMaps,
    Refinement,
    Side,
    ViewResult,
)
from lunar_runtime.inference.up import doubt_up, plane_and_up
from lunar_runtime.inference.verdict import doubt_slopes, judge
from lunar_runtime.inference.view import solve_view

_SHORT_BASELINE = 0.1  # of the depth; see `scale_from_baseline` for what it costs
# Errors of the plane beside what all depths share have long tails: of 59 StereoLunar and rendered
# pairs the altitude's scale was off by half of what the draws say in the median, by three times
# that on oblique views.
_TAILS = 1.5
_THIN = 4  # every fourth of the draws' pixels tells what they share
_MISPLACED_DEG = 30.0  # where half of the recovered baseline is error: sin 30° = 0.5


def solve_geometry(
    fused: Fused,
    options: InferOptions,
    rig: Rig,
    *,
    network: Maps | None = None,
    notes: Notes | None = None,
    doubts: tuple[str, ...] = (),
) -> Geometry:
    """Work out everything that was asked for.

    What was asked for and cannot be had is an error; what nobody asked for and cannot be had (the
    pose, while only the left depth is wanted) is a note.

    Args:
        fused: The pointmaps to go by, and how they came about.
        options: What to work out; checked against the bundle already.
        rig: What is known of the cameras, in pixels of the images as given.
        network: What the network said, kept for comparison; None = it did not run.
        notes: Those so far.
        doubts: Those so far.

    Raises:
        InputError: The scale or the view that was asked for cannot be had from the maps.
    """
    maps, refinement = fused
    _require_what_was_asked(maps, options, refinement)
    noted = notes or Notes()
    plane, up, more = plane_and_up(maps, rig, plane_needed=options.altitude_m is not None)
    noted += more
    refined = refinement is not None and refinement.done
    up, more_doubts = doubt_up(plane, up, maps, refined=refined)
    doubts += more_doubts
    if refinement is not None and refinement.pose_held:
        noted += Notes.warn("pose: the rig's is held; the images agree with it within its error")
    scale, more = _scale(maps, plane, options, rig, refinement)
    noted += more
    if scale.source in (ScaleSource.BASELINE, ScaleSource.RIG) and maps.pose is not None:
        noted += _doubt_scale(maps.left.points, maps.pose, rig, refined=refined)
    if scale.source is not ScaleSource.RELATIVE and refinement is not None:
        doubts += doubt_lengths(maps, plane, options, rig)
    scale, errors = _scale_errors(maps.left, plane, scale)
    left = _scaled(maps.left, scale, errors)
    right = None if maps.right is None else _scaled(maps.right, scale, errors)
    pose = None if maps.pose is None else _scaled_pose(maps.pose, scale)
    views: dict[Side, ViewResult] = {}
    if options.view in ("left", "both"):
        views["left"], more = solve_view("left", left, left.points[..., 2], up, options)
        noted += more
    if options.view in ("right", "both") and right is not None and pose is not None:
        seen = transform_points(pose.right_from_left, right.points)
        views["right"], more = solve_view("right", right, seen[..., 2], up, options)
        noted += more
    if options.slope == "paper":
        noted += Notes.warn(
            "slope: the paper's, per pixel and per unit of depth; it is not physical"
        )
    judgement = judge(maps, refinement, doubts + doubt_slopes(views, up))
    return Geometry(
        pointmap_left=left.points,
        pointmap_right=None if right is None else right.points,
        confidence_left=left.confidence,
        confidence_right=None if right is None else right.confidence,
        views=views,
        scale=scale,
        camera_left=maps.camera_left,
        camera_right=maps.camera_right,
        pose=pose,
        plane=None if plane is None else Plane(plane.normal, plane.offset * scale.factor),
        up=up,
        not_finite=dict(noted.not_finite),
        warnings=noted.warnings,
        grids=maps.grids,
        refinement=refinement,
        network=None if network is None else _network(network, scale),
        verdict=judgement.verdict,
        verdict_reasons=judgement.reasons,
    )


def _require_what_was_asked(
    maps: Maps, options: InferOptions, refinement: Refinement | None
) -> None:
    side = min(maps.left.points.shape[:2])
    if options.smoothing_px > side / 4:
        raise UsageError(
            f"`smoothing_px` {options.smoothing_px:g}: leaves no slope; give {side // 4} or less"
        )
    kept = refinement is not None and not refinement.done
    because = f" (not refined: {refinement.reason})" if refinement is not None and kept else ""
    if maps.pose is None and (options.view != "left" or options.baseline_m is not None):
        what = "`baseline_m`" if options.view == "left" else f"`view` {options.view}"
        raise InputError(
            f"{what} needs the right camera's pose, which neither the network's right pointmap nor "
            f"the images gave{because}"
        )
    if options.view != "left" and maps.right is None:
        raise InputError(
            f"`view` {options.view} needs the right pointmap, which this bundle does not have"
            f"{because}; export the student with `lunar-export --outputs both`"
        )


def _network(network: Maps, scale: Scale) -> NetworkMaps:
    left = _scaled(network.left, scale)
    right = None if network.right is None else _scaled(network.right, scale)
    return NetworkMaps(
        grids=network.grids,
        pointmap_left=left.points,
        confidence_left=left.confidence,
        pointmap_right=None if right is None else right.points,
        confidence_right=None if right is None else right.confidence,
    )


def _scale(
    maps: Maps,
    plane: Plane | None,
    options: InferOptions,
    rig: Rig,
    refinement: Refinement | None,
) -> tuple[Scale, Notes]:
    missing = _why_no_metres(maps, refinement)
    if missing and (
        options.altitude_m is not None
        or options.baseline_m is not None
        or rig.right_from_left is not None
    ):
        return relative_scale(), Notes.warn(f"scale: {missing}; depth stays relative")
    if options.altitude_m is not None and plane is not None:
        return scale_from_altitude(plane, options.altitude_m), Notes()
    pose = maps.pose
    if options.baseline_m is not None and pose is not None:
        depth = _typical_depth(maps)
        scale = scale_from_baseline(pose.right_from_left, options.baseline_m, median_depth=depth)
        return scale, Notes()
    if rig.right_from_left is None:
        return relative_scale(), Notes()
    if pose is None:
        return relative_scale(), Notes.warn(
            "scale: the rig's baseline cannot fix it without the right pointmap and its pose; "
            "depth stays relative"
        )
    depth = _typical_depth(maps)
    scale = scale_from_rig(pose.right_from_left, rig.right_from_left, median_depth=depth)
    return scale, Notes()


def _typical_depth(maps: Maps) -> float | None:
    """The median; None where it lies behind the camera."""
    median = float(np.nanmedian(maps.left.points[..., 2]))
    return median if median > 0 else None


def _why_no_metres(maps: Maps, refinement: Refinement | None) -> str | None:
    """Why no known length makes metres of a result; None where one may.

    A network that was asked for alone is taken at its word, and the verdict says so.
    """
    if refinement is not None and not refinement.done:
        return "the images did not decide the geometry, and the network's word fixes no metres"
    if refinement is not None and maps.camera_left.source == NOMINAL:
        return "the focal length is not known; give intrinsics, or a rig with them"
    return None


def _doubt_scale(
    points: NDArray[np.float32], pose: PoseEstimate, rig: Rig, *, refined: bool
) -> Notes:
    """What is doubtful about a scale that rests on the pose.

    Raises:
        InputError: The rig has the right camera elsewhere.
    """
    right = _camera_centre(pose.right_from_left)
    share = float(np.linalg.norm(right) / np.nanmedian(points[..., 2]))
    notes = Notes()
    if 0 < share < _SHORT_BASELINE and not refined:
        notes = Notes.warn(
            f"scale: the baseline is {share:.1%} of the depth, so a pointmap error of 1 % moves "
            "the scale by 16 % and more; an altitude is safer"
        )
    if rig.right_from_left is None:
        return notes
    given = _camera_centre(rig.right_from_left)
    if not given.any():  # a rig that tells the turn alone, beside a baseline
        return notes
    cosine = float(right @ given / (np.linalg.norm(right) * np.linalg.norm(given)))
    angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine))))
    if angle > _MISPLACED_DEG:
        raise InputError(
            f"the right camera was recovered {angle:.0f} degrees from where the rig has it, so the "
            "baseline cannot fix the scale; check which image is the left one, give `altitude_m`, "
            "or leave right_from_left out of the rig"
        )
    return notes


def _camera_centre(right_from_left: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) of the right camera, left camera's frame."""
    centre: NDArray[np.float64] = -right_from_left[:3, :3].T @ right_from_left[:3, 3]
    return centre


def _scale_errors(
    found: PointMap, plane: Plane | None, scale: Scale
) -> tuple[Scale, NDArray[np.float64] | None]:
    """The scale with its sigma, and what it errs by in every draw beside the baseline.

    A baseline is the unit of the draws, whose shared errors are the pose's. An altitude stands over
    a plane that moves with them.
    """
    if found.expected is None or scale.source is ScaleSource.RELATIVE:
        return scale, None
    expected, errors = found.expected, None
    if scale.source is ScaleSource.ALTITUDE and plane is not None:
        draws = expected.draws[:, ::_THIN, ::_THIN]
        points = found.points[:: 2 * _THIN, :: 2 * _THIN]
        errors = altitude_errors(points, draws, plane)
        shared = np.mean(draws, axis=(1, 2), dtype=np.float64)
        errors = shared + _TAILS * (errors - shared)  # what all depths share goes exactly
        expected = expected.rescaled(errors)
    return replace(scale, sigma=expected.shared()), errors


def _scaled(found: PointMap, scale: Scale, errors: NDArray[np.float64] | None = None) -> PointMap:
    points = np.asarray(found.points * np.float32(scale.factor), np.float32)
    expected = found.expected
    if errors is not None and expected is not None:
        expected = expected.rescaled(errors)
    return replace(found, points=points, expected=expected)


def _scaled_pose(pose: PoseEstimate, scale: Scale) -> PoseEstimate:
    right_from_left = pose.right_from_left.copy()
    right_from_left[:3, 3] *= scale.factor
    return replace(pose, right_from_left=right_from_left)
