"""What the network says of a pair, read and checked: pointmaps, cameras, pose."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.focal import estimate_intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.pointmaps import finite
from lunar_runtime.geometry.pose import PoseEstimate, right_from_left_pose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.expected_error import ExpectedError
from lunar_runtime.inference.network_error import (
    UNKNOWN_DEPTH_ERROR,
    confidence_of,
    network_sigma,
)
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.masking.mask import ValidPair

#: The source of a camera that nobody told and no image settled: the network's own.
NOMINAL = "nominal"
#: Of one that nobody told, with the focal length that the pair's matches ask for.
ESTIMATED = "estimated"

_QUARTER_SAMPLES = 64  # pixels along the view: a plane of a quarter needs no more
_WIDEST_DEG = 120.0  # a fisheye; descent and mapping cameras have 10 to 90

#: Of a graph, by name, with the batch axis.
NetworkOutputs = Mapping[str, NDArray[np.float32]]


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
    """A pair's pointmaps, each on the grid of its image, in one arbitrary unit.

    Attributes:
        grids: From the images as given to these grids.
        left: Of the left image.
        right: Of the right image; None = not known.
        camera_left: Of the left image, pixels of its grid.
        camera_right: Of the right image, pixels of its grid.
        pose: The right camera's; None where it is not known.
        descriptors: (H, W, D) of both images, where the network gives them.
    """

    grids: PairGrids
    left: PointMap
    right: PointMap | None
    camera_left: CameraEstimate
    camera_right: CameraEstimate
    pose: PoseEstimate | None
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    @cached_property
    def quarter_normals(self) -> NDArray[np.float64]:
        """(N, 3) unit normals of planes through the left view's quarters that show ground."""
        step = max(1, self.grids.left.grid_width // _QUARTER_SAMPLES)
        normals = []
        for rows in np.array_split(self.left.points[::step, ::step], 2, axis=0):
            for quarter in np.array_split(rows, 2, axis=1):
                with contextlib.suppress(InputError):
                    normals.append(fit_plane(quarter).normal)
        return np.array(normals).reshape(-1, 3)

    def cameras_on(self, grids: PairGrids) -> tuple[CameraEstimate, CameraEstimate]:
        """Both cameras, in pixels of other grids over the same images."""
        left, right = (
            camera._replace(intrinsics=new.to_grid(old.to_source(camera.intrinsics)))
            for camera, old, new in zip(
                (self.camera_left, self.camera_right), self.grids, grids, strict=True
            )
        )
        return left, right


def read_maps(
    outputs: NetworkOutputs,
    grids: PairGrids,
    options: InferOptions,
    rig: Rig,
    valid: ValidPair = (None, None),
    depth_error: float = UNKNOWN_DEPTH_ERROR,
) -> tuple[Maps, Notes]:
    """Check a network's outputs, and find the cameras and the pose.

    Args:
        outputs: Of the graph: at least `pointmap_left` (1, H, W, 3) and `confidence_left`
            (1, H, W); of each image, what is on its grid.
        grids: From the images as given to the network's pixels of them.
        options: What was asked for. Unless the pair is refined, a pose that is needed and cannot be
            had is an error, and `min_confidence` is applied.
        rig: What is known of the cameras, in pixels of the images as given.
        valid: (H, W) bool of both images on the network's grid: elsewhere its word is not taken.
        depth_error: Of the network; see `network_error`.

    Raises:
        InputError: Nothing usable is in the outputs, or the pose that is needed is not.
    """
    notes = _not_finite(outputs)
    alone = options.refine == "off"
    dropped = options.dropped_share if alone else 0.0
    left = _read_map("left", outputs, dropped, valid[0])
    camera_left, camera_right = _cameras(left, options, rig, grids)
    notes += _doubt_camera(camera_left, grids.left)
    right: PointMap | None = None
    pose: PoseEstimate | None = None
    if "pointmap_right" in outputs:
        right = _read_map("right", outputs, dropped, valid[1])
        try:
            pose = right_from_left_pose(right.points, camera_right.intrinsics, right.confidence)
        except InputError as error:
            if alone and options.view != "left":
                raise
            if alone:
                notes += Notes.warn(f"pose: {error}")
    left = _calibrated(left, depth_error)
    right = None if right is None else _calibrated(right, depth_error)
    maps = Maps(grids, left, right, camera_left, camera_right, pose, _descriptors(outputs))
    return maps, notes


def known_cameras(
    options: InferOptions, rig: Rig, grids: PairGrids
) -> tuple[CameraEstimate, CameraEstimate] | None:
    """The cameras that were told, on their grids; None where the left one was not."""
    if options.intrinsics is not None:
        left, right = (CameraEstimate(grid.to_grid(options.intrinsics), "option") for grid in grids)
        return left, right
    if rig.left is None:
        return None
    left = CameraEstimate(grids.left.to_grid(rig.left), "rig")
    if rig.right is not None:
        return left, CameraEstimate(grids.right.to_grid(rig.right), "rig")
    return left, CameraEstimate(grids.right.to_grid(rig.left), "rig (left)")


def mask_invalid(found: PointMap, valid: NDArray[np.bool_] | None) -> PointMap:
    """The same with NaN, the confidence too, where the image shows nothing; None = everywhere."""
    if valid is None:
        return found
    nothing = np.float32(np.nan)
    points = np.where(valid[..., None], found.points, nothing)
    confidence = np.where(valid, found.confidence, nothing)
    expected = found.expected
    if expected is not None:
        expected = expected._replace(refined=expected.refined & valid)
    return PointMap(points, confidence, expected)


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
    usable = finite(found.points) & np.isfinite(found.confidence)
    if not usable.any():
        raise InputError(
            f"the network gave no finite point for the {side} image; check this machine with "
            "StereoRuntime.check_golden, or the bundle with another pair"
        )
    count = int(dropped_share * np.count_nonzero(usable))
    if count:
        lowest = np.partition(found.confidence[usable], count)[count]
        usable &= found.confidence >= lowest
    if usable.all():
        return found
    points = np.where(usable[..., None], found.points, np.float32(np.nan))
    return PointMap(points, found.confidence, found.expected)


def _not_finite(outputs: NetworkOutputs) -> Notes:
    notes = Notes()
    for name, values in outputs.items():
        if not name.startswith(("pointmap", "confidence")):
            continue
        bad = ~(np.isfinite(values) if values.ndim == 3 else finite(values))
        count = int(np.count_nonzero(bad))
        if count:
            text = f"{name}: {count} of {bad.size} pixels are not finite"
            notes += Notes((text,), {name: count})
    return notes


def _read_map(
    side: str, outputs: NetworkOutputs, dropped_share: float, valid: NDArray[np.bool_] | None
) -> PointMap:
    found = PointMap(outputs[f"pointmap_{side}"][0], outputs[f"confidence_{side}"][0])
    return mask_by_confidence(side, mask_invalid(found, valid), dropped_share)


def _calibrated(found: PointMap, depth_error: float) -> PointMap:
    return PointMap(found.points, confidence_of(network_sigma(found.confidence, depth_error)))


def _descriptors(
    outputs: NetworkOutputs,
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    if "descriptors_left" not in outputs or "descriptors_right" not in outputs:
        return None
    return outputs["descriptors_left"][0], outputs["descriptors_right"][0]


def _cameras(
    left_map: PointMap, options: InferOptions, rig: Rig, grids: PairGrids
) -> tuple[CameraEstimate, CameraEstimate]:
    known = known_cameras(options, rig, grids)
    if known is not None:
        return known
    estimate = estimate_intrinsics(left_map.points, left_map.confidence)
    cameras = _nominal(estimate, grids)
    left = CameraEstimate(cameras[0], NOMINAL)
    if rig.right is not None:
        return left, CameraEstimate(grids.right.to_grid(rig.right), "rig")
    # The right pointmap is in the left camera's frame, so it says nothing of its own camera
    # before the pose is known: two cameras of one kind, or one that moved, is the common case.
    return left, CameraEstimate(cameras[1], f"{left.source} (left)")


def _nominal(estimate: Intrinsics, grids: PairGrids) -> tuple[Intrinsics, Intrinsics]:
    """The network's camera for both; its principal point is the image's centre, not a window's."""
    left, right = grids
    if left == right and (left.crop_width, left.crop_height) == (
        left.source_width,
        left.source_height,
    ):
        return estimate, estimate
    seen = left.to_source(estimate)
    camera = Intrinsics(seen.fx, seen.fy, left.source_width / 2, left.source_height / 2)
    return left.to_grid(camera), right.to_grid(camera)


def _doubt_camera(camera: CameraEstimate, mapping: GridMapping) -> Notes:
    angle = 2 * math.degrees(math.atan2(mapping.grid_width / 2, camera.intrinsics.fx))
    if camera.source != NOMINAL or angle <= _WIDEST_DEG:
        return Notes()
    return Notes.warn(
        f"camera: the pointmap spans {angle:.0f} degrees, as no pinhole camera does; the "
        "network does not understand this pair"
    )
