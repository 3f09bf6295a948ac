"""What comes out of a pair."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.activations import ActivationRecord
from lunar_runtime.backends.features import FeatureRecord
from lunar_runtime.backends.scrubbing import ScrubRecord
from lunar_runtime.inference.self_test import SelfTestRecord

if TYPE_CHECKING:
    from lunar_runtime.bundles.choices import OutputSet
    from lunar_runtime.bundles.trust import Signed
    from lunar_runtime.files.images import GreyImage
    from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
    from lunar_runtime.geometry.lens import Lens
    from lunar_runtime.geometry.plane import Plane
    from lunar_runtime.geometry.pose import PoseEstimate
    from lunar_runtime.geometry.scale import Scale
    from lunar_runtime.geometry.views import CameraEstimate
    from lunar_runtime.inference.alarm import Alarm
    from lunar_runtime.inference.flown import Flown
    from lunar_runtime.inference.options import InferOptions
    from lunar_runtime.refinement.misfit import Misfit
    from lunar_runtime.refinement.shading import ShadingTold

Side = Literal["left", "right"]


class UpEstimate(NamedTuple):
    """The direction that slopes are measured from.

    Attributes:
        vector: (3,) unit vector, left camera's frame.
        source: `rig` or `plane`.
        sigma_deg: Root mean square of its angle to gravity. Of a rig's it follows from
            `attitude_sigma_deg`, and is larger where the scene's plane speaks against it.
    """

    vector: NDArray[np.float64]
    source: str
    sigma_deg: float = 0.0


@dataclass(frozen=True)
class ViewResult:
    """What is seen from one of the two cameras.

    Attributes:
        depth: (H, W) float32, Z in this camera's frame, in the result's unit; NaN = invalid.
        slope: (H, W) float32 degrees; NaN = invalid.
        confidence: (H, W) float32: 1 + 0.01 / (expected relative error of Z), which for unrefined
            pixels is the network's (see `network_error`), and then below 1.5; NaN where the image
            is masked.
        depth_sigma: (H, W) float32 expected standard deviation of the depth, in the result's unit;
            None where the pair was not refined, as below.
        slope_sigma: (H, W) float32 expected standard deviation of the slope, degrees.
        refined: (H, W) bool, where the images decide; elsewhere the network does, or the plane.
        draws: (N, ⌈H/2⌉, ⌈W/2⌉) float32 random errors of the depth, relative to it: those that
            `depth_sigma` and `slope_sigma` sum up.
        steep_ranges: Degrees -> least and largest share of the pixels that is steeper, within the
            errors of the slopes and of up; empty where there is none.
        called_flatter: Degrees -> of the ground that is steeper, the share that `slope` is expected
            to call flatter; without limits that hardly any ground may exceed.
    """

    depth: NDArray[np.float32]
    slope: NDArray[np.float32]
    confidence: NDArray[np.float32]
    depth_sigma: NDArray[np.float32] | None = None
    slope_sigma: NDArray[np.float32] | None = None
    refined: NDArray[np.bool_] | None = None
    draws: NDArray[np.float32] | None = None
    steep_ranges: dict[int, tuple[float, float]] = field(default_factory=dict)
    called_flatter: dict[int, float] = field(default_factory=dict)


class RefinedView(NamedTuple):
    """How far the images decide one view.

    Attributes:
        fraction: Of the pixels, those where the images decide.
        overlap: Of the pixels, those that the other image shows too.
        correlation: Median local correlation of the two images through the surface.
        prior_sigma: Robust relative deviation of the measured surface from what it falls back to
            elsewhere: the expected error there.
        unevenness: How much the brightness of the two images differs from place to place, relative.
        hidden: Of the pixels, those that both images would show, but for their masks.
        unmatched: Of the pixels, those that show detail in both images, another one in each.
    """

    fraction: float
    overlap: float
    correlation: float
    prior_sigma: float
    unevenness: float = 0.0
    hidden: float = 0.0
    unmatched: float = 0.0


@dataclass(frozen=True)
class Refinement:
    """How the images refined a pair, or why they did not.

    Attributes:
        reason: Why not; None = refined, and only then is the rest there.
        pose_source: What the pose started from: `matches`, `network` or `rig`.
        pose_held: Whether the pose is the rig's as it was told.
        matches: Sparse matches.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median distance of the dense matches from their epipolar lines.
        pattern_px: By how much neighbours among them miss together, root mean square.
        rival_pose: Median distance under the other pose that nearly plane ground allows, over that
            under this one; None = there is none, or the rig decides.
        network_differs_deg: Angle between the refined and the network's rotation; None without one.
        parallax_deg: Median angle under which the refined ground sees the baseline.
        relief_gain: Factors on the network's coarse and fine relief where the images are silent;
            None without a network.
        pose_sigma_deg: Standard deviations of the rotation and of the baseline's direction; of
            cameras that err (`cameras_err`), with what that does to a pose.
        focal_ratio: Focal length that the matches ask for, over the one that was used.
        focal_sigma: Its standard deviation; large where the camera did not turn.
        cameras_err: Whether the told cameras are taken to err in the metres: as the rig says
            (`focal_sigma`), or as its pose and the images' show.
        rig_apart: How far the rig's pose and the images' are apart, in standard deviations of both;
            None = no rig tells one.
        misfits: What else the matches would have otherwise about the cameras.
        views: Per refined view.
        shading: Per refined view, what its brightness added.
    """

    reason: str | None
    pose_source: str = ""
    pose_held: bool = False
    matches: int = 0
    inliers: int = 0
    epipolar_px: float = 0.0
    pattern_px: float = 0.0
    rival_pose: float | None = None
    network_differs_deg: float | None = None
    parallax_deg: float = 0.0
    relief_gain: tuple[float, float] | None = None
    pose_sigma_deg: tuple[float, float] = (0.0, 0.0)
    focal_ratio: float = 1.0
    focal_sigma: float = 0.0
    cameras_err: bool = False
    rig_apart: float | None = None
    misfits: tuple[Misfit, ...] = ()
    views: dict[Side, RefinedView] = field(default_factory=dict)
    shading: dict[Side, ShadingTold] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether the pair was refined."""
        return self.reason is None

    @property
    def alike(self) -> float:
        """How well the images correlate through the surface, in the poorer view; 1 without one."""
        return min((view.correlation for view in self.views.values()), default=1.0)


@dataclass(frozen=True)
class NetworkMaps:
    """What the network alone said, on its own grids, in the result's unit.

    Attributes:
        grids: From the images as given to these grids.
        pointmap_left: (h, w, 3) float32, left camera's frame.
        confidence_left: (h, w) float32.
        pointmap_right: (h, w, 3) float32, left camera's frame; None when the bundle has none.
        confidence_right: (h, w) float32, or None.
    """

    grids: PairGrids
    pointmap_left: NDArray[np.float32]
    confidence_left: NDArray[np.float32]
    pointmap_right: NDArray[np.float32] | None
    confidence_right: NDArray[np.float32] | None


@dataclass(frozen=True)
class Geometry:
    """The geometry of a pair, all of it in one unit.

    Attributes:
        pointmap_left: (H, W, 3) float32, left camera's frame; NaN = invalid.
        pointmap_right: (H, W, 3) float32, the points of the right image's pixels, also in the left
            camera's frame; None when the bundle has no right pointmap, and in a refined pair
            unless the right view was asked for.
        confidence_left: (H, W) float32; see `ViewResult`.
        confidence_right: (H, W) float32, or None.
        views: `left`, `right` or both, as asked for.
        scale: The factor to metres that was applied, and where it came from.
        camera_left: Of the left image.
        camera_right: Of the right image.
        pose: The right camera's pose; None when it was not, or could not be, recovered.
        plane: The scene's robust plane, left camera's frame; None when there is none.
        up: What slopes are measured from.
        not_finite: Per output, pixels that the network gave as NaN or infinite; 0 is left out.
        warnings: What the user should know before trusting the numbers.
        grids: From the images as given to the grids of these maps: the right one's differs where
            the images, their windows or their cameras' resolutions do.
        refinement: How the images refined the pair; None when that was not asked for.
        network: What the network alone said; None when it did not run.
        verdict: `measured` or `guessed`; see `inference.verdict`.
        verdict_reasons: Why it is guessed.
    """

    pointmap_left: NDArray[np.float32]
    pointmap_right: NDArray[np.float32] | None
    confidence_left: NDArray[np.float32]
    confidence_right: NDArray[np.float32] | None
    views: dict[Side, ViewResult]
    scale: Scale
    camera_left: CameraEstimate
    camera_right: CameraEstimate
    pose: PoseEstimate | None
    plane: Plane | None
    up: UpEstimate
    not_finite: dict[str, int]
    warnings: tuple[str, ...]
    grids: PairGrids
    refinement: Refinement | None
    network: NetworkMaps | None
    verdict: str
    verdict_reasons: tuple[str, ...]

    @property
    def mapping(self) -> GridMapping:
        """From the left image as given to the grid of its maps."""
        return self.grids.left

    @property
    def mapping_right(self) -> GridMapping:
        """From the right image as given to the grid of its maps."""
        return self.grids.right

    @property
    def unit(self) -> str:
        """Of every length here: `m` or `relative`."""
        return self.scale.unit


class ModelInfo(NamedTuple):
    """Which network ran, and on what."""

    bundle_path: Path
    bundle_digest: str
    student: str
    precision: str
    gate: str
    output_set: OutputSet
    signed: Signed
    backend: str
    device: str
    ranges: bool = False
    weights: ScrubRecord = ScrubRecord(reason="nobody looked")
    activations: ActivationRecord = ActivationRecord(reason="nobody looked")
    self_test: SelfTestRecord = SelfTestRecord("never")
    features: FeatureRecord | None = None


class PairImage(NamedTuple):
    """One of the two images: as given, and on the grid of the result.

    Attributes:
        source: As given.
        grey: (H, W) uint8.
        valid: (H, W) bool, False where it is masked; None = nowhere.
    """

    source: GreyImage
    grey: NDArray[np.uint8]
    valid: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class StereoResult(Geometry):
    """Everything that came out of one pair: its geometry, and how it came about.

    Attributes:
        options: What was asked for.
        model: What ran; None = no network did.
        left: The left image.
        right: The right image.
        timings_ms: Per stage.
        lenses: That were taken out of the images, of the left and the right camera; None = none.
        flown: How the pair's deadline was met; None = it had none.
        body_from_left: (4, 4) of the left camera in the Moon's frame (MOON_ME), metres, or None.
        alarms: Monitors that tripped.
    """

    options: InferOptions
    model: ModelInfo | None
    left: PairImage
    right: PairImage
    timings_ms: dict[str, float]
    lenses: tuple[Lens | None, Lens | None] = (None, None)
    flown: Flown | None = None
    body_from_left: NDArray[np.float64] | None = None
    alarms: tuple[Alarm, ...] = ()

    @property
    def primary(self) -> Side:
        """The view of `depth`, `slope` and `confidence`: `right` only if that alone was asked."""
        return "right" if self.options.view == "right" else "left"

    @property
    def valid(self) -> dict[Side, NDArray[np.bool_] | None]:
        """(H, W) bool of both images: where they show what can be measured; None = everywhere."""
        return {"left": self.left.valid, "right": self.right.valid}

    @property
    def depth(self) -> NDArray[np.float32]:
        """(H, W) float32, Z in the primary view's camera frame; NaN = invalid."""
        return self.views[self.primary].depth

    @property
    def slope(self) -> NDArray[np.float32]:
        """(H, W) float32 degrees, of the primary view; NaN = invalid."""
        return self.views[self.primary].slope

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(H, W) float32, of the primary view."""
        return self.views[self.primary].confidence
