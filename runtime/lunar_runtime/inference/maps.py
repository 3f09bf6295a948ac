"""What the network says of a pair, read and checked: pointmaps, cameras, pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.focal import estimate_intrinsics
from lunar_runtime.geometry.grid_mapping import FrameMapping
from lunar_runtime.geometry.pose import PoseEstimate, right_from_left_pose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import CameraEstimate, Precision

_WIDEST_DEG = 120.0  # a fisheye; descent and mapping cameras have 10 to 90


@dataclass(frozen=True)
class Maps:
    """A pair's pointmaps on one grid, in one arbitrary unit.

    Attributes:
        mapping: From the images as given to this grid.
        left: (H, W, 3) float32, left camera's frame; NaN = invalid.
        confidence_left: (H, W) float32.
        right: (H, W, 3) float32, the right image's pixels, left camera's frame; None = not known.
        confidence_right: (H, W) float32, or None.
        camera_left: Of the left image, pixels of this grid.
        camera_right: Of the right image.
        pose: The right camera's; None where it is not known.
        precision_left: How good the refined left points are expected to be; None unrefined.
        precision_right: The same of the right ones.
    """

    mapping: FrameMapping
    left: NDArray[np.float32]
    confidence_left: NDArray[np.float32]
    right: NDArray[np.float32] | None
    confidence_right: NDArray[np.float32] | None
    camera_left: CameraEstimate
    camera_right: CameraEstimate
    pose: PoseEstimate | None
    precision_left: Precision | None = None
    precision_right: Precision | None = None


def read_maps(
    outputs: dict[str, NDArray[np.float32]],
    options: InferOptions,
    rig: Rig,
    mapping: FrameMapping,
    not_finite: dict[str, int],
    warnings: list[str],
) -> Maps:
    """Check a network's outputs, and find the cameras and the pose.

    Args:
        outputs: Of the graph, with the batch axis: at least `pointmap_left` (1, H, W, 3) and
            `confidence_left` (1, H, W).
        options: What was asked for. Unless the pair is refined, a pose that is needed and cannot be
            had is an error, and `min_confidence` is applied.
        rig: What is known of the cameras, in pixels of the images as given.
        mapping: From those pixels to the network's grid.
        not_finite: Counts of unusable pixels are added here.
        warnings: What the user should know is added here.

    Raises:
        InputError: Nothing usable is in the outputs, or the pose that is needed is not.
    """
    for name, values in outputs.items():
        if name.startswith(("pointmap", "confidence")):
            _count_not_finite(name, values, not_finite, warnings)
    alone = options.refine == "off"
    lowest = options.min_confidence if alone else None
    confidence_left, left = _masked("left", outputs, lowest)
    camera_left, camera_right = _cameras(left, confidence_left, options, rig, mapping)
    _doubt_camera(camera_left, mapping, warnings)
    confidence_right: NDArray[np.float32] | None = None
    right: NDArray[np.float32] | None = None
    pose: PoseEstimate | None = None
    if "pointmap_right" in outputs:
        confidence_right, right = _masked("right", outputs, lowest)
        try:
            pose = right_from_left_pose(right, camera_right.intrinsics, confidence_right)
        except InputError as error:
            if alone and (options.view != "left" or options.baseline_m is not None):
                raise
            if alone:
                warnings.append(f"pose: {error}")
    return Maps(
        mapping, left, confidence_left, right, confidence_right, camera_left, camera_right, pose
    )


def known_cameras(
    options: InferOptions, rig: Rig, mapping: FrameMapping
) -> tuple[CameraEstimate, CameraEstimate] | None:
    """The cameras that were told, on a grid; None where the left one was not."""
    if options.intrinsics is not None:
        both = CameraEstimate(mapping.to_network(options.intrinsics), "option")
        return both, both
    if rig.left is None:
        return None
    left = CameraEstimate(mapping.to_network(rig.left), "rig")
    if rig.right is not None:
        return left, CameraEstimate(mapping.to_network(rig.right), "rig")
    return left, CameraEstimate(left.intrinsics, "rig (left)")


def mask_by_confidence(
    side: str,
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    lowest: float | None,
) -> NDArray[np.float32]:
    """Points with NaN wherever they or their confidence are not finite, or the latter too low.

    Raises:
        InputError: Nothing is left.
    """
    usable = np.isfinite(points).all(axis=-1) & np.isfinite(confidence)
    if not usable.any():
        raise InputError(
            f"the network gave no finite point for the {side} image; check this machine with "
            "StereoRuntime.check_golden, or the bundle with another pair"
        )
    if lowest is not None:
        highest = float(confidence[usable].max())
        usable &= confidence >= lowest
        if not usable.any():
            raise InputError(
                f"--min-confidence {lowest:g} leaves nothing of the {side} image, whose "
                f"highest confidence is {highest:.3g}; lower it"
            )
    return np.where(usable[..., None], points, np.float32(np.nan))


def _count_not_finite(
    name: str, values: NDArray[np.float32], not_finite: dict[str, int], warnings: list[str]
) -> None:
    bad = ~np.isfinite(values if values.ndim == 3 else values.sum(axis=-1))
    count = int(np.count_nonzero(bad))
    if count:
        not_finite[name] = count
        warnings.append(f"{name}: {count} of {bad.size} pixels are not finite")


def _masked(
    side: str, outputs: dict[str, NDArray[np.float32]], lowest: float | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    points, confidence = outputs[f"pointmap_{side}"][0], outputs[f"confidence_{side}"][0]
    return confidence, mask_by_confidence(side, points, confidence, lowest)


def _cameras(
    points: NDArray[np.float32],
    confidence: NDArray[np.float32],
    options: InferOptions,
    rig: Rig,
    mapping: FrameMapping,
) -> tuple[CameraEstimate, CameraEstimate]:
    known = known_cameras(options, rig, mapping)
    if known is not None:
        return known
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
