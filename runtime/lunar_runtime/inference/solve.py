"""From the pointmaps to plane, scale, depth and slope."""

from __future__ import annotations

from dataclasses import replace

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.plane import Plane
from lunar_runtime.geometry.pose import PoseEstimate, transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import Scale, ScaleSource
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.lengths import doubt_lengths, doubt_scale
from lunar_runtime.inference.maps import Maps
from lunar_runtime.inference.metres import Metres, find_metres
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import (
    Geometry,
    NetworkMaps,
    Refinement,
    Side,
    ViewResult,
)
from lunar_runtime.inference.undecided import doubt_relief, doubt_undecided
from lunar_runtime.inference.up import doubt_up, plane_and_up
from lunar_runtime.inference.verdict import judge
from lunar_runtime.inference.view import solve_view
from lunar_runtime.refinement.told_pose import AGREED

_ERRING = (
    "the rig's pose and the images' agree only if the told cameras err a little, as far as a "
    "`focal_sigma` of 0.002 in the rig would say; give it, or better intrinsics"
)


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
    posed = rig.right_from_left is not None
    up, more_doubts = doubt_up(plane, up, maps, refined=refined, posed=posed)
    doubts += more_doubts
    if refinement is not None and refinement.pose_held:
        noted += Notes.warn("pose: the rig's is held; the images agree with it within its error")
    if rig.focal_sigma is None and refinement is not None and (refinement.rig_apart or 0) > AGREED:
        doubts += (_ERRING,)
    metres, more = find_metres(maps, plane, options, rig, refinement)
    noted += more
    scale = metres.scale
    if scale.source is not ScaleSource.RELATIVE and refinement is not None:
        doubts += doubt_lengths(maps, plane, options, rig) + doubt_scale(scale)
    left = metres.of(maps.left)
    right = None if maps.right is None else metres.of(maps.right)
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
    cameras: dict[Side, Intrinsics] = {
        "left": maps.camera_left.intrinsics,
        "right": maps.camera_right.intrinsics,
    }
    seen_by_both = {} if refinement is None else refinement.views
    doubts += doubt_undecided(views, cameras, up, seen_by_both)
    if refined and refinement is not None and not posed:
        doubts += doubt_relief(refinement, cameras)
    judgement = judge(maps, refinement, doubts)
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
    if maps.pose is None and options.view != "left":
        raise InputError(
            f"`view` {options.view} needs the right camera's pose, which neither the network's "
            f"right pointmap nor the images gave{because}"
        )
    if options.view != "left" and maps.right is None:
        raise InputError(
            f"`view` {options.view} needs the right pointmap, which this bundle does not have"
            f"{because}; export the student with `lunar-export --outputs both`"
        )


def _network(network: Maps, scale: Scale) -> NetworkMaps:
    metres = Metres(scale)
    left = metres.of(network.left)
    right = None if network.right is None else metres.of(network.right)
    return NetworkMaps(
        grids=network.grids,
        pointmap_left=left.points,
        confidence_left=left.confidence,
        pointmap_right=None if right is None else right.points,
        confidence_right=None if right is None else right.confidence,
    )


def _scaled_pose(pose: PoseEstimate, scale: Scale) -> PoseEstimate:
    right_from_left = pose.right_from_left.copy()
    right_from_left[:3, 3] *= scale.factor
    return replace(pose, right_from_left=right_from_left)
