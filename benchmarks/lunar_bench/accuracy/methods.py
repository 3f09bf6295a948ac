"""Ways to reconstruct a pair that are scored side by side, each on the pair's own pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from lunar_calib.truth.accuracy import null_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import NotRefinedError, StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.grid_mapping import cropped
from lunar_runtime.geometry.pose import right_from_left_pose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import ViewChoice
from lunar_runtime.refinement.matching import Matches
from numpy.typing import NDArray

from lunar_bench.accuracy.descriptor_matching import reciprocal_matches
from lunar_bench.accuracy.window_matching import semi_global_points

#: `network`: a bundle alone. `fused`: refined by the images. `geometry`: the images alone. `sgbm`:
#: classical stereo that is told the true pose. `plane`: the truth's best plane and nothing else.
Method = Literal["network", "fused", "geometry", "sgbm", "plane"]


@dataclass(frozen=True)
class MethodOutput:
    """What a method says of a pair; what it does not say is None.

    Attributes:
        points_left: (H, W, 3), any unit, left camera's frame; NaN = no prediction.
        points_right: (H, W, 3) of the right image's pixels, same frame and unit.
        confidence: (H, W) of the left view, larger = surer.
        gives_pose: Whether the method is one that recovers the pose.
        right_from_left: (4, 4); None although it gives poses = it found none.
        matches: Between its descriptors, in the pair's pixels.
        notes: What did not work, for the result.
        depth_sigma: (H, W) expected error of the depth, in the points' unit.
        slope_sigma: (H, W) expected error of the slope, degrees.
        verdict: `measured` or `guessed`; empty where nobody judged.
    """

    points_left: NDArray[np.float64]
    points_right: NDArray[np.float64] | None = None
    confidence: NDArray[np.float64] | None = None
    gives_pose: bool = False
    right_from_left: NDArray[np.float64] | None = None
    matches: Matches | None = None
    notes: list[str] = field(default_factory=list)
    depth_sigma: NDArray[np.float64] | None = None
    slope_sigma: NDArray[np.float64] | None = None
    verdict: str = ""


def run_network(backend: Backend, pair: KnownPair, size: tuple[int, int]) -> MethodOutput:
    """A bundle's outputs, resized bilinearly to the pair's pixels.

    The pose is what perspective-n-point makes of the right pointmap and the true intrinsics.

    Args:
        backend: Of the bundle.
        pair: Of the network's aspect.
        size: Height and width of the network's images.
    """
    (left, mapping), (right, _) = (cropped(image, *size) for image in (pair.left, pair.right))
    outputs = {k: v[0] for k, v in backend.run(left[None, None], right[None, None]).items()}
    shape = pair.left.shape[0], pair.left.shape[1]
    result = MethodOutput(
        points_left=_resized(outputs["pointmap_left"], shape),
        confidence=_resized(outputs["confidence_left"], shape),
    )
    if "pointmap_right" not in outputs:
        return result
    pose, notes = None, []
    try:
        pose = right_from_left_pose(
            outputs["pointmap_right"],
            mapping.to_grid(pair.camera_right),
            outputs["confidence_right"],
        ).right_from_left
    except InputError as error:
        notes.append(str(error))
    matches = None
    if "descriptors_left" in outputs and "descriptors_right" in outputs:
        found = reciprocal_matches(
            outputs["descriptors_left"], outputs["descriptors_right"], _match_confidence(outputs)
        )
        matches = Matches(*(mapping.points_to_source(pixels) for pixels in found))
    return MethodOutput(
        points_left=result.points_left,
        points_right=_resized(outputs["pointmap_right"], shape),
        confidence=result.confidence,
        gives_pose=True,
        right_from_left=pose,
        matches=matches,
        notes=notes,
    )


def run_fused(runtime: StereoRuntime, pair: KnownPair, view: ViewChoice = "left") -> MethodOutput:
    """The network refined by the images where they allow it, given the true intrinsics.

    Args:
        runtime: Of the bundle.
        pair: Any.
        view: `both` refines the right image's pixels too.
    """
    rig = Rig(left=pair.camera_left, right=pair.camera_right)
    result = runtime.infer(pair.left, pair.right, rig, refine="auto", view=view)
    assert result.refinement is not None
    reason = result.refinement.reason
    return _of_result(result, pair, [] if reason is None else [f"not refined: {reason}"])


def run_geometry(pair: KnownPair, view: ViewChoice = "left") -> MethodOutput:
    """The images alone, given the true intrinsics.

    Args:
        pair: Any.
        view: See `run_fused`.

    Raises:
        InputError: They do not give the geometry.
    """
    rig = Rig(left=pair.camera_left, right=pair.camera_right)
    try:
        return _of_result(infer_geometry_only(pair.left, pair.right, rig, view=view), pair, [])
    except NotRefinedError as error:
        raise InputError(str(error)) from error


def run_sgbm(pair: KnownPair) -> MethodOutput:
    """Semi-global matching with the true pose; it has no confidence and no pose of its own."""
    return MethodOutput(semi_global_points(pair))


def run_plane(pair: KnownPair) -> MethodOutput:
    """The plane null on all pixels: what a method scores that found the plane alone."""
    return MethodOutput(null_pointmap(pair.depth, pair.camera_left))


def _of_result(result: StereoResult, pair: KnownPair, notes: list[str]) -> MethodOutput:
    shape = pair.left.shape[0], pair.left.shape[1]
    sigmas = result.views["left"].depth_sigma, result.views["left"].slope_sigma
    depth_sigma, slope_sigma = (None if one is None else _resized(one, shape) for one in sigmas)
    right = result.pointmap_right
    return MethodOutput(
        depth_sigma=depth_sigma,
        slope_sigma=slope_sigma,
        verdict=result.verdict,
        points_left=_resized(result.pointmap_left, shape),
        points_right=None if right is None else _resized(right, shape),
        confidence=_resized(result.confidence_left, shape),
        gives_pose=True,
        right_from_left=None if result.pose is None else result.pose.right_from_left,
        notes=notes,
    )


def _match_confidence(outputs: dict[str, NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """Of descriptor times point, as in the published evaluation; None where a bundle lacks it."""
    names = "descriptor_confidence_left", "descriptor_confidence_right"
    if not all(name in outputs for name in names):
        return None
    return np.stack([outputs[name] for name in names]) * np.stack(
        [outputs["confidence_left"], outputs["confidence_right"]]
    )


def _resized(values: NDArray[Any], shape: tuple[int, int]) -> NDArray[np.float64]:
    """(h, w[, 3]) to the pair's pixels; NaN spreads to what it touches."""
    full = np.asarray(values, np.float64)
    if full.shape[:2] == shape:
        return full
    return np.asarray(cv2.resize(full, shape[::-1], interpolation=cv2.INTER_LINEAR), np.float64)
