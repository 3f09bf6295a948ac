"""Network and images, together: the refined maps of a pair, or the network's where that fails.

The grid of the results is that of the images, up to `LONGEST_PX` on the longer side, whether or not
a pair could be refined: what a reader finds does not change its shape with the weather.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.grid_mapping import FrameMapping
from lunar_runtime.geometry.plane import fit_plane
from lunar_runtime.geometry.pose import PoseEstimate, transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.maps import Maps, mask_by_confidence
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import CameraEstimate, Precision, RefinedView, Refinement, Side
from lunar_runtime.refinement.refine import (
    NetworkGuess,
    NotRefinedError,
    PosePart,
    Surface,
    refine_pose_and_surface,
    refine_surface,
)

LONGEST_PX = 1024

# Fused confidence is 1 + this / sigma: 1 % of the depth gives 2, as the networks' 1 + exp(c) does
# at c = 0, and 0.1 % gives 11.
_CONFIDENCE_AT_SIGMA = 0.01
_NEAREST = 1e-6


def result_grid(mapping: FrameMapping) -> FrameMapping:
    """The grid of the results for a network's crop: its pixels, up to `LONGEST_PX` a side."""
    height, width = mapping.crop_height, mapping.crop_width
    shrink = min(1.0, LONGEST_PX / max(height, width))
    return mapping.with_grid(max(1, round(height * shrink)), max(1, round(width * shrink)))


def fuse(
    network: Maps | None,
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    cameras: tuple[CameraEstimate, CameraEstimate],
    grid: FrameMapping,
    options: InferOptions,
    rig: Rig,
    warnings: list[str],
) -> tuple[Maps, Refinement]:
    """Refine a pair.

    Args:
        network: What the network says, on its own grid; None = geometry alone.
        descriptors: (H, W, D) of both images, if the bundle gives them.
        images: (H, W) grey, on the result's grid.
        cameras: Of both images, pixels of that grid.
        grid: The result's.
        options: `refine` and `view` matter: the right view is refined only if it is asked for.
        rig: Its pose is one more start.
        warnings: Why a pair was not refined is added here.

    Returns:
        The maps on the result's grid, and how they came about.

    Raises:
        NotRefinedError: The pair cannot be refined, and `refine` is `on` or there is no network.
    """
    try:
        return _refined(network, descriptors, images, cameras, grid, options, rig)
    except NotRefinedError as error:
        if network is None or options.refine == "on":
            raise
        warnings.append(f"not refined, the network's result is kept: {error}")
        return _resized(network, grid, cameras, options), Refinement(reason=str(error))


def _refined(
    network: Maps | None,
    descriptors: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    cameras: tuple[CameraEstimate, CameraEstimate],
    grid: FrameMapping,
    options: InferOptions,
    rig: Rig,
) -> tuple[Maps, Refinement]:
    shape = images[0].shape
    left_camera, right_camera = cameras[0].intrinsics, cameras[1].intrinsics
    guess = None
    if network is not None:
        guess = NetworkGuess(
            inverse_depth=_inverse(_enlarged(network.left[..., 2], shape)),
            pose=None if network.pose is None else _relative(network.pose.right_from_left),
            descriptors=descriptors,
        )
    given = None if rig.right_from_left is None else _relative(rig.right_from_left)
    part, surface = refine_pose_and_surface(*images, left_camera, right_camera, guess, given)
    # In the network's unit where there is one, so that both pointmaps compare.
    baseline = 1.0
    if guess is not None:
        with np.errstate(invalid="ignore"):
            ratio = surface.inverse_depth / guess.inverse_depth
        baseline = float(np.nanmedian(ratio))
    surfaces: dict[Side, Surface] = {"left": surface}
    left = _points(surface, left_camera, baseline)
    right: NDArray[np.float32] | None = None
    confidence_right: NDArray[np.float32] | None = None
    precision_right: Precision | None = None
    right_from_left = part.pose.matrix(baseline)
    if options.view != "left":
        other = _refine_right(
            network, images, left_camera, right_camera, part.pose, left, right_from_left
        )
        surfaces["right"] = other
        seen = _points(other, right_camera, baseline)
        right = np.asarray(transform_points(np.linalg.inv(right_from_left), seen), np.float32)
        confidence_right, precision_right = _confidence(other), _precision(other)
    maps = Maps(
        mapping=grid,
        left=mask_by_confidence("left", left, _confidence(surface), options.min_confidence),
        confidence_left=_confidence(surface),
        right=None
        if right is None or confidence_right is None
        else mask_by_confidence("right", right, confidence_right, options.min_confidence),
        confidence_right=confidence_right,
        camera_left=cameras[0],
        camera_right=cameras[1],
        pose=PoseEstimate(right_from_left, part.inliers / part.matches, part.epipolar_px),
        precision_left=_precision(surface),
        precision_right=precision_right,
    )
    return maps, _refinement(part, surfaces, (left_camera, right_camera))


def _refine_right(
    network: Maps | None,
    images: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    left_camera: Intrinsics,
    right_camera: Intrinsics,
    pose: RelativePose,
    left: NDArray[np.float32],
    right_from_left: NDArray[np.float64],
) -> Surface:
    """The right view, from the plane of the refined left one."""
    baseline = float(np.linalg.norm(right_from_left[:3, 3]))
    plane = fit_plane(left)
    normal = right_from_left[:3, :3] @ plane.normal
    offset = plane.offset + float(normal @ right_from_left[:3, 3])
    rays = pixel_rays(right_camera, *images[1].shape)
    start = (rays @ normal.astype(np.float32)) * np.float32(baseline / offset)
    start = np.maximum(start, np.float32(0.05) * np.median(start))
    guess = None
    if network is not None and network.right is not None and network.pose is not None:
        seen = transform_points(network.pose.right_from_left, network.right)
        guess = NetworkGuess(_inverse(_enlarged(seen[..., 2], images[1].shape)))
    return refine_surface(
        images[1], images[0], right_camera, left_camera, pose.inverse(), start, guess
    )


def _refinement(
    part: PosePart, surfaces: dict[Side, Surface], cameras: tuple[Intrinsics, Intrinsics]
) -> Refinement:
    surface = surfaces["left"]
    rays = pixel_rays(cameras[0], *surface.inverse_depth.shape).astype(np.float64)
    inside = surface.refined if surface.refined.any() else np.ones_like(surface.refined)
    point = rays[inside] / surface.inverse_depth[inside][:, None]  # in baselines
    centre = part.pose.inverse().t
    from_right = point - centre
    cosine = np.sum(point * from_right, axis=-1) / (
        np.linalg.norm(point, axis=-1) * np.linalg.norm(from_right, axis=-1)
    )
    return Refinement(
        reason=None,
        pose_source=part.source,
        matches=part.matches,
        inliers=part.inliers,
        epipolar_px=part.epipolar_px,
        network_differs_deg=part.network_differs_deg,
        parallax_deg=float(np.degrees(np.arccos(np.clip(np.median(cosine), -1, 1)))),
        relief_gain=surface.prior.relief_gain,
        views={
            side: RefinedView(
                fraction=float(np.mean(view.refined)),
                overlap=view.overlap,
                correlation=view.correlation,
                prior_sigma=view.prior.sigma,
            )
            for side, view in surfaces.items()
        },
    )


def _resized(
    network: Maps,
    grid: FrameMapping,
    cameras: tuple[CameraEstimate, CameraEstimate],
    options: InferOptions,
) -> Maps:
    shape = grid.network_height, grid.network_width
    confidence_left = _enlarged(network.confidence_left, shape)
    left = _enlarged(network.left, shape)
    right, confidence_right = network.right, network.confidence_right
    if right is not None and confidence_right is not None:
        confidence_right = _enlarged(confidence_right, shape)
        right = mask_by_confidence(
            "right", _enlarged(right, shape), confidence_right, options.min_confidence
        )
    return replace(
        network,
        mapping=grid,
        left=mask_by_confidence("left", left, confidence_left, options.min_confidence),
        confidence_left=confidence_left,
        right=right,
        confidence_right=confidence_right,
        camera_left=cameras[0],
        camera_right=cameras[1],
    )


def _points(surface: Surface, camera: Intrinsics, baseline: float) -> NDArray[np.float32]:
    z = np.float32(baseline) / surface.inverse_depth
    return np.asarray(pixel_rays(camera, *z.shape) * z[..., None], np.float32)


def _confidence(surface: Surface) -> NDArray[np.float32]:
    return np.asarray(1 + np.float32(_CONFIDENCE_AT_SIGMA) / surface.sigma, np.float32)


def _precision(surface: Surface) -> Precision:
    return Precision(surface.sigma, surface.draws, surface.refined)


def _relative(right_from_left: NDArray[np.float64]) -> RelativePose | None:
    length = float(np.linalg.norm(right_from_left[:3, 3]))
    if not length > 0:
        return None
    return RelativePose(right_from_left[:3, :3], right_from_left[:3, 3] / length)


def _inverse(z: NDArray[np.float32]) -> Field:
    with np.errstate(invalid="ignore"):
        front = z > _NEAREST
    return np.where(front, 1 / np.where(front, z, 1), np.float32(np.nan)).astype(np.float32)


def _enlarged(values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Bilinear; NaN spreads to what touches it."""
    if values.shape[:2] == shape[:2]:
        return values
    size = shape[1], shape[0]
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)
