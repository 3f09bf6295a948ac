"""report.json: how a result came about, for whoever has to trust it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.files.images import GreyImage
from lunar_runtime.geometry.grid_mapping import FrameMapping
from lunar_runtime.inference.result import CameraEstimate, ModelInfo, Refinement, Side, StereoResult
from lunar_runtime.version import __version__

REPORT_VERSION = 1

_PERCENTILES = (5, 25, 50, 75, 95)
_HAZARD_DEG = (5, 10, 15, 20)


class _Record(msgspec.Struct, frozen=True):
    pass


class ImageReport(_Record, frozen=True, kw_only=True):
    """An image as given, and how it became 8-bit grey.

    Attributes:
        path: Or `left array`, `right array`.
        sha256: Of the file; None for an array.
        width: Pixels.
        height: Pixels.
        dtype: Of the values as given.
        channels: As given.
        stretch: Values that became 0 and 255; None where 8-bit values were kept.
    """

    path: str
    sha256: str | None
    width: int
    height: int
    dtype: str
    channels: int
    stretch: tuple[float, float] | None


class CameraReport(_Record, frozen=True, kw_only=True):
    """A pinhole camera, [fx, fy, cx, cy] in pixels; top-left pixel's centre at (0.5, 0.5).

    Attributes:
        source: `option`, `rig`, `estimated`; with ` (left)` where the left camera's was taken.
        network_px: On the grid of the outputs.
        image_px: In the images as given.
    """

    source: str
    network_px: tuple[float, float, float, float]
    image_px: tuple[float, float, float, float]


class ScaleReport(_Record, frozen=True, kw_only=True):
    """What makes lengths metres.

    Attributes:
        unit: Of every length in the result: `m` or `relative`.
        source: `baseline`, `rig`, `altitude` or `relative`.
        metres_per_unit: Factor that was applied to the relative result; None = none.
    """

    unit: str
    source: str
    metres_per_unit: float | None


class PoseReport(_Record, frozen=True, kw_only=True):
    """The right camera's pose, from its pointmap or, refined, from the images.

    Attributes:
        right_from_left: 4×4, row by row; translation in the result's unit.
        baseline: Distance between the cameras, in the result's unit.
        inlier_fraction: Of the points used; refined: of the sparse matches.
        reprojection_px: Median of the inliers, on the grid of the outputs; refined: of the dense
            matches' distances from their epipolar lines.
    """

    right_from_left: list[list[float]]
    baseline: float
    inlier_fraction: float
    reprojection_px: float


class RefinementReport(_Record, frozen=True, kw_only=True):
    """How the images refined the pair.

    Attributes:
        status: `refined`; `kept`: the network's result, for the reason given.
        reason: Why the pair was not refined.
        pose_source: What the pose started from: `matches`, `network` or `rig`.
        matches: Sparse matches.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median distance of the dense matches from their epipolar lines.
        network_differs_deg: Angle between the refined rotation and the network's.
        parallax_deg: Median angle under which the refined ground sees the baseline.
        relief_gain: Factors on the network's coarse and fine relief where the images are silent.
        views: Per refined view: share of its pixels where the images decide (`fraction`), that the
            other image shows (`overlap`), their `correlation`, and the expected relative error of
            depth elsewhere (`prior_sigma`).
    """

    status: Literal["refined", "kept"]
    reason: str | None
    pose_source: str
    matches: int
    inliers: int
    epipolar_px: float
    network_differs_deg: float | None
    parallax_deg: float
    relief_gain: tuple[float, float] | None
    views: dict[str, dict[str, float]]


class PlaneReport(_Record, frozen=True, kw_only=True):
    """The scene's robust plane, left camera's frame, in the result's unit."""

    normal: list[float]
    camera_height: float


class UpReport(_Record, frozen=True, kw_only=True):
    """What slopes are measured from: unit vector in the left camera's frame; `rig` or `plane`."""

    vector: list[float]
    source: str


class ViewReport(_Record, frozen=True, kw_only=True):
    """What is seen from one camera.

    Attributes:
        view: `left` or `right`.
        valid_fraction: Pixels with a depth.
        depth: Percentiles (`p5` …), in the result's unit.
        slope_deg: Percentiles.
        steeper_than: Threshold in degrees -> share of the pixels with a slope that are steeper;
            empty where there is none.
        confidence: Percentiles.
        depth_sigma: Percentiles of the expected error of a refined depth, in the result's unit.
        slope_sigma_deg: The same of the slope.
    """

    view: Side
    valid_fraction: float
    depth: dict[str, float]
    slope_deg: dict[str, float]
    steeper_than: dict[str, float]
    confidence: dict[str, float]
    depth_sigma: dict[str, float]
    slope_sigma_deg: dict[str, float]


class ModelReport(_Record, frozen=True, kw_only=True):
    """Which network ran, and on what; `digest` is the SHA-256 of the bundle's manifest.

    `gate` is `failed` where the bundle was written although it broke a limit of its export.
    """

    bundle: str
    digest: str
    student: str
    precision: str
    gate: str
    output_set: str
    backend: str
    device: str


class OptionsReport(_Record, frozen=True, kw_only=True):
    """What was asked for."""

    view: str
    slope: str
    smoothing_px: float
    min_confidence: float | None
    baseline_m: float | None
    altitude_m: float | None
    refine: str


class Report(_Record, frozen=True, kw_only=True):
    """All that is known of a result; see the classes above."""

    report_version: int = REPORT_VERSION
    status: Literal["done"] = "done"
    created: datetime
    left: ImageReport
    right: ImageReport
    mapping: FrameMapping
    model: ModelReport | None
    options: OptionsReport
    scale: ScaleReport
    camera_left: CameraReport
    camera_right: CameraReport
    pose: PoseReport | None
    refinement: RefinementReport | None
    plane: PlaneReport | None
    up: UpReport
    views: list[ViewReport]
    not_finite: dict[str, int]
    timings_ms: dict[str, float]
    warnings: list[str]
    out: str
    files: dict[str, FileRecord]
    versions: dict[str, str]


def make_report(
    result: StereoResult, out: str, files: Mapping[str, FileRecord], write_ms: float
) -> Report:
    """Put a result into words.

    Args:
        result: Of one pair.
        out: The folder it is in.
        files: Digest and size of each file there, the report excepted.
        write_ms: How long writing them took.
    """
    pose, plane = result.pose, result.plane
    return Report(
        created=datetime.now(timezone.utc),
        left=_image(result.left.source),
        right=_image(result.right.source),
        mapping=result.mapping,
        model=None if result.model is None else _model(result.model),
        options=OptionsReport(
            view=result.options.view,
            slope=result.options.slope,
            smoothing_px=result.options.smoothing_px,
            min_confidence=result.options.min_confidence,
            baseline_m=result.options.baseline_m,
            altitude_m=result.options.altitude_m,
            refine=result.options.refine,
        ),
        scale=ScaleReport(
            unit=result.unit,
            source=result.scale.source.value,
            metres_per_unit=result.scale.metres_per_unit,
        ),
        camera_left=_camera(result.camera_left, result.mapping),
        camera_right=_camera(result.camera_right, result.mapping),
        pose=None
        if pose is None
        else PoseReport(
            right_from_left=pose.right_from_left.tolist(),
            baseline=float(np.linalg.norm(pose.right_from_left[:3, 3])),
            inlier_fraction=pose.inlier_fraction,
            reprojection_px=pose.reprojection_px,
        ),
        refinement=None if result.refinement is None else _refinement(result.refinement),
        plane=None
        if plane is None
        else PlaneReport(normal=plane.normal.tolist(), camera_height=plane.camera_height),
        up=UpReport(vector=result.up.vector.tolist(), source=result.up.source),
        views=[_view(result, side) for side in result.views],
        not_finite=result.not_finite,
        timings_ms={
            name: round(value, 2)
            for name, value in {**result.timings_ms, "write": write_ms}.items()
        },
        warnings=list(result.warnings),
        out=out,
        files=dict(files),
        versions={
            "lunar-edge": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
        },
    )


def encode_report(report: Report, *, indent: int = 0) -> bytes:
    """JSON: one line, or indented."""
    text = msgspec.json.encode(report)
    return msgspec.json.format(text, indent=indent) if indent else text


def printable(text: object) -> str:
    """A path as text that any encoder takes: bytes that are no UTF-8 are spelled out."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")


def _image(image: GreyImage) -> ImageReport:
    return ImageReport(
        path=printable(image.name),
        sha256=image.sha256,
        width=image.size[0],
        height=image.size[1],
        dtype=image.dtype,
        channels=image.channels,
        stretch=image.stretch,
    )


def _camera(camera: CameraEstimate, mapping: FrameMapping) -> CameraReport:
    network, image = camera.intrinsics, mapping.to_source(camera.intrinsics)
    return CameraReport(
        source=camera.source,
        network_px=(network.fx, network.fy, network.cx, network.cy),
        image_px=(image.fx, image.fy, image.cx, image.cy),
    )


def _view(result: StereoResult, side: Side) -> ViewReport:
    view = result.views[side]
    slope = view.slope[np.isfinite(view.slope)]
    return ViewReport(
        view=side,
        valid_fraction=float(np.isfinite(view.depth).mean()),
        depth=_percentiles(view.depth),
        slope_deg=_percentiles(view.slope),
        steeper_than={
            str(limit): float(np.mean(slope > limit)) for limit in _HAZARD_DEG if slope.size
        },
        confidence=_percentiles(view.confidence),
        depth_sigma={} if view.depth_sigma is None else _percentiles(view.depth_sigma),
        slope_sigma_deg={} if view.slope_sigma is None else _percentiles(view.slope_sigma),
    )


def _model(model: ModelInfo) -> ModelReport:
    return ModelReport(
        bundle=printable(model.bundle_path),
        digest=model.bundle_digest,
        student=model.student,
        precision=model.precision,
        gate=model.gate,
        output_set=model.output_set,
        backend=model.backend,
        device=model.device,
    )


def _refinement(refinement: Refinement) -> RefinementReport:
    return RefinementReport(
        status="refined" if refinement.done else "kept",
        reason=refinement.reason,
        pose_source=refinement.pose_source,
        matches=refinement.matches,
        inliers=refinement.inliers,
        epipolar_px=refinement.epipolar_px,
        network_differs_deg=refinement.network_differs_deg,
        parallax_deg=refinement.parallax_deg,
        relief_gain=refinement.relief_gain,
        views={side: view._asdict() for side, view in refinement.views.items()},
    )


def _percentiles(values: NDArray[Any]) -> dict[str, float]:
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return {}
    return {
        f"p{p}": float(v)
        for p, v in zip(_PERCENTILES, np.percentile(finite, _PERCENTILES), strict=True)
    }
