"""What the network says of a pair, read and checked: pointmaps, cameras, pose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.focal import estimate_intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.pose import PoseEstimate, right_from_left_pose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.network_error import (
    UNKNOWN_DEPTH_ERROR,
    confidence_of,
    network_sigma,
)
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions

#: The source of a camera that nobody told and no image settled: the network's own.
NOMINAL = "nominal"

_WIDEST_DEG = 120.0  # a fisheye; descent and mapping cameras have 10 to 90

#: Of a graph, by name, with the batch axis.
NetworkOutputs = Mapping[str, NDArray[np.float32]]


class ExpectedError(NamedTuple):
    """How good refined points are expected to be.

    Attributes:
        sigma: (H, W) float32 standard deviation of Z, as a fraction of it.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) float32 relative errors of Z, drawn from the posterior.
        refined: (H, W) bool, where the images decide; elsewhere the prior does.
        focal_sigma: Relative error of the focal length, which `sigma` and `draws` contain; 0 where
            it was told.
    """

    sigma: NDArray[np.float32]
    draws: NDArray[np.float32]
    refined: NDArray[np.bool_]
    focal_sigma: float = 0.0


@dataclass(frozen=True)
class PointMap:
    """The points of one image's pixels.

    Attributes:
        points: (H, W, 3) float32, in the left camera's frame; NaN = invalid.
        confidence: (H, W) float32; see `network_error.confidence_of`.
        expected: How good refined points are expected to be; None unrefined.
    """

    points: NDArray[np.float32]
    confidence: NDArray[np.float32]
    expected: ExpectedError | None = None


@dataclass(frozen=True)
class Maps:
    """A pair's pointmaps on one grid, in one arbitrary unit.

    Attributes:
        mapping: From the images as given to this grid.
        left: Of the left image.
        right: Of the right image; None = not known.
        camera_left: Of the left image, pixels of this grid.
        camera_right: Of the right image.
        pose: The right camera's; None where it is not known.
        descriptors: (H, W, D) of both images, where the network gives them.
    """

    mapping: GridMapping
    left: PointMap
    right: PointMap | None
    camera_left: CameraEstimate
    camera_right: CameraEstimate
    pose: PoseEstimate | None
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def cameras_on(self, grid: GridMapping) -> tuple[CameraEstimate, CameraEstimate]:
        """Both cameras, in pixels of another grid over the same images."""
        left, right = (
            camera._replace(intrinsics=grid.to_grid(self.mapping.to_source(camera.intrinsics)))
            for camera in (self.camera_left, self.camera_right)
        )
        return left, right


def read_maps(
    outputs: NetworkOutputs,
    mapping: GridMapping,
    options: InferOptions,
    rig: Rig,
    depth_error: float = UNKNOWN_DEPTH_ERROR,
) -> tuple[Maps, Notes]:
    """Check a network's outputs, and find the cameras and the pose.

    Args:
        outputs: Of the graph: at least `pointmap_left` (1, H, W, 3) and `confidence_left`
            (1, H, W).
        mapping: From the images as given to the network's grid.
        options: What was asked for. Unless the pair is refined, a pose that is needed and cannot be
            had is an error, and `min_confidence` is applied.
        rig: What is known of the cameras, in pixels of the images as given.
        depth_error: Of the network; see `network_error`.

    Raises:
        InputError: Nothing usable is in the outputs, or the pose that is needed is not.
    """
    notes = _not_finite(outputs)
    alone = options.refine == "off"
    dropped = options.dropped_share if alone else 0.0
    left = _read_map("left", outputs, dropped)
    camera_left, camera_right = _cameras(left, options, rig, mapping)
    notes += _doubt_camera(camera_left, mapping)
    right: PointMap | None = None
    pose: PoseEstimate | None = None
    if "pointmap_right" in outputs:
        right = _read_map("right", outputs, dropped)
        try:
            pose = right_from_left_pose(right.points, camera_right.intrinsics, right.confidence)
        except InputError as error:
            if alone and (options.view != "left" or options.baseline_m is not None):
                raise
            if alone:
                notes += Notes.warn(f"pose: {error}")
    left = _calibrated(left, depth_error)
    right = None if right is None else _calibrated(right, depth_error)
    maps = Maps(mapping, left, right, camera_left, camera_right, pose, _descriptors(outputs))
    return maps, notes


def known_cameras(
    options: InferOptions, rig: Rig, mapping: GridMapping
) -> tuple[CameraEstimate, CameraEstimate] | None:
    """The cameras that were told, on a grid; None where the left one was not."""
    if options.intrinsics is not None:
        both = CameraEstimate(mapping.to_grid(options.intrinsics), "option")
        return both, both
    if rig.left is None:
        return None
    left = CameraEstimate(mapping.to_grid(rig.left), "rig")
    if rig.right is not None:
        return left, CameraEstimate(mapping.to_grid(rig.right), "rig")
    return left, left._replace(source="rig (left)")


def mask_by_confidence(side: str, found: PointMap, dropped_share: float) -> PointMap:
    """The same with NaN wherever a point or its confidence is not finite, or the latter is low.

    Args:
        side: `left` or `right`, for the error.
        found: Of that image.
        dropped_share: Of the finite points, those of the lowest confidence become NaN: as many or,
            where points are equally confident, fewer; never all.

    Raises:
        InputError: No point is finite.
    """
    usable = np.isfinite(found.points).all(axis=-1) & np.isfinite(found.confidence)
    if not usable.any():
        raise InputError(
            f"the network gave no finite point for the {side} image; check this machine with "
            "StereoRuntime.check_golden, or the bundle with another pair"
        )
    count = int(dropped_share * np.count_nonzero(usable))
    if count:
        lowest = np.partition(found.confidence[usable], count)[count]
        usable &= found.confidence >= lowest
    points = np.where(usable[..., None], found.points, np.float32(np.nan))
    return PointMap(points, found.confidence, found.expected)


def _not_finite(outputs: NetworkOutputs) -> Notes:
    notes = Notes()
    for name, values in outputs.items():
        if not name.startswith(("pointmap", "confidence")):
            continue
        bad = ~np.isfinite(values if values.ndim == 3 else values.sum(axis=-1))
        count = int(np.count_nonzero(bad))
        if count:
            text = f"{name}: {count} of {bad.size} pixels are not finite"
            notes += Notes((text,), {name: count})
    return notes


def _read_map(side: str, outputs: NetworkOutputs, dropped_share: float) -> PointMap:
    found = PointMap(outputs[f"pointmap_{side}"][0], outputs[f"confidence_{side}"][0])
    return mask_by_confidence(side, found, dropped_share)


def _calibrated(found: PointMap, depth_error: float) -> PointMap:
    sigma = network_sigma(found.confidence, depth_error)
    return PointMap(found.points, confidence_of(sigma), found.expected)


def _descriptors(
    outputs: NetworkOutputs,
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    if "descriptors_left" not in outputs or "descriptors_right" not in outputs:
        return None
    return outputs["descriptors_left"][0], outputs["descriptors_right"][0]


def _cameras(
    left_map: PointMap, options: InferOptions, rig: Rig, mapping: GridMapping
) -> tuple[CameraEstimate, CameraEstimate]:
    known = known_cameras(options, rig, mapping)
    if known is not None:
        return known
    estimate = estimate_intrinsics(left_map.points, left_map.confidence)
    left = CameraEstimate(estimate, NOMINAL)
    if rig.right is not None:
        return left, CameraEstimate(mapping.to_grid(rig.right), "rig")
    # The right pointmap is in the left camera's frame, so it says nothing of its own camera
    # before the pose is known: two cameras of one kind, or one that moved, is the common case.
    return left, left._replace(source=f"{left.source} (left)")


def _doubt_camera(camera: CameraEstimate, mapping: GridMapping) -> Notes:
    angle = 2 * math.degrees(math.atan2(mapping.grid_width / 2, camera.intrinsics.fx))
    if camera.source != NOMINAL or angle <= _WIDEST_DEG:
        return Notes()
    return Notes.warn(
        f"camera: the pointmap spans {angle:.0f} degrees, as no pinhole camera does; the "
        "network does not understand this pair"
    )
