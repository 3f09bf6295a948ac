"""What report.json holds: every field with its meaning, unit and frame."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.inference.result import Side

#: Version 1 called the results' grid the network's: network_px, network_width, network_height.
REPORT_VERSION = 2


class _Record(msgspec.Struct, frozen=True):
    pass


class MaskReport(_Record, frozen=True, kw_only=True):
    """A mask that was given beside an image.

    Attributes:
        path: Or `array`.
        sha256: Of the file; None for an array.
    """

    path: str
    sha256: str | None


class ImageReport(_Record, frozen=True, kw_only=True):
    """An image as given, and how it became 8-bit grey.

    Attributes:
        path: Or `left array`, `right array`.
        sha256: Of the file, or of a label's file and its pixels' one after the other; None for an
            array, and for a window of a planetary image.
        width: Pixels.
        height: Pixels.
        window: Part of it that was taken for the whole: left, top, width and height; None = all.
        dtype: Of the values as given.
        channels: As given.
        stretch: Values that became 0 and 255; None where 8-bit values were kept.
        mask: What was given beside the image; None = nothing.
        masked_fraction: Of the image's pixels, those that are left out of everything.
        masked: Why -> share of the image: `file` (nodata, alpha, NaN, special values), `mask file`,
            `constant` (wedges, frames), `saturated`, `sky`, `fixed` (the same in both images
            although the ground moved).
    """

    path: str
    sha256: str | None
    width: int
    height: int
    window: tuple[int, int, int, int] | None
    dtype: str
    channels: int
    stretch: tuple[float, float] | None
    mask: MaskReport | None
    masked_fraction: float
    masked: dict[str, float]


class CameraReport(_Record, frozen=True, kw_only=True):
    """A pinhole camera, [fx, fy, cx, cy] in pixels; top-left pixel's centre at (0.5, 0.5).

    Attributes:
        source: `option`, `rig`, `estimated` (from the pair's matches) or `nominal` (the network's,
            which may be wrong by half); with ` (left)` where the left camera's was taken.
        distortion: Of the lens that was taken out of the image, by OpenCV's names, with its
            `model`; None = none was. Everything else here is of the undistorted camera.
        grid_px: On the grid of the outputs.
        image_px: In the images as given.
    """

    source: str
    distortion: dict[str, str | float] | None
    grid_px: tuple[float, float, float, float]
    image_px: tuple[float, float, float, float]


class ScaleReport(_Record, frozen=True, kw_only=True):
    """What makes lengths metres.

    Attributes:
        unit: Of every length in the result: `m` or `relative`.
        source: `baseline`, `rig`, `altitude` or `relative`.
        metres_per_unit: Factor that was applied to the relative result; None = none.
        sigma: Relative standard deviation of what all lengths err by together; it is in
            `depth_sigma` too. None = not known.
    """

    unit: str
    source: str
    metres_per_unit: float | None
    sigma: float | None


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


class MisfitReport(_Record, frozen=True):
    """A number of the cameras that the matches would have otherwise.

    Attributes:
        number: `focal` length of both cameras, `zoom` (of the right one alone), `centre_x`,
            `centre_y` (principal point) or `lens`.
        change: That they ask for: relative; of a centre, pixels of the grid; of the lens, its k1.
        sigma: Its standard deviation.
        depth_change: What it does to nine of ten depths at most, relative.
    """

    number: str
    change: float
    sigma: float
    depth_change: float


class RefinementReport(_Record, frozen=True, kw_only=True):
    """How the images refined the pair.

    Attributes:
        status: `refined`; `kept`: the network's result, for the reason given.
        reason: Why the pair was not refined.
        pose_source: What the pose started from: `matches`, `network` or `rig`.
        pose_held: Whether the pose is the rig's as it was told.
        matches: Sparse matches.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median distance of the dense matches from their epipolar lines.
        network_differs_deg: Angle between the refined rotation and the network's.
        parallax_deg: Median angle under which the refined ground sees the baseline.
        relief_gain: Factors on the network's coarse and fine relief where the images are silent.
        pose_sigma_deg: Standard deviations of the rotation and of the baseline's direction.
        focal_ratio: Focal length that the matches ask for, over the one that was used.
        focal_sigma: Its standard deviation; large where the camera did not turn.
        misfits: Numbers of the cameras that the matches would have otherwise, the surest first.
        views: Per refined view: share of its pixels where the images decide (`fraction`), that the
            other image shows (`overlap`), their `correlation`, and the expected relative error of
            depth elsewhere (`prior_sigma`).
    """

    status: Literal["refined", "kept"]
    reason: str | None
    pose_source: str
    pose_held: bool
    matches: int
    inliers: int
    epipolar_px: float
    network_differs_deg: float | None
    parallax_deg: float
    relief_gain: tuple[float, float] | None
    pose_sigma_deg: tuple[float, float]
    focal_ratio: float
    focal_sigma: float
    misfits: list[MisfitReport]
    views: dict[str, dict[str, float]]


class PlaneReport(_Record, frozen=True, kw_only=True):
    """The scene's robust plane.

    Attributes:
        normal: Unit vector towards the left camera's side, in its frame.
        camera_height: Of the left camera above the plane, in the result's unit.
    """

    normal: list[float]
    camera_height: float


class UpReport(_Record, frozen=True, kw_only=True):
    """What slopes are measured from.

    Attributes:
        vector: Unit vector against gravity, in the left camera's frame.
        source: `rig`, or `plane`: the normal of the scene's plane.
        sigma_deg: Standard deviation of its angle to gravity, degrees; 0 where the rig told it.
    """

    vector: list[float]
    source: str
    sigma_deg: float


class ViewReport(_Record, frozen=True, kw_only=True):
    """What is seen from one camera.

    Attributes:
        view: `left` or `right`.
        valid_fraction: Of all pixels of the view, those with a depth.
        slope_fraction: Of all pixels of the view, those with a slope.
        depth: Percentiles (`p5` …), in the result's unit.
        slope_deg: Percentiles.
        steeper_than: Threshold in degrees -> share of the pixels with a slope that are steeper;
            empty where there is none.
        steeper_than_range: The same, least and largest share within the errors of the slopes and
            of up.
        confidence: Percentiles of 1 + 0.01 / (expected relative error of the depth).
        depth_sigma: Percentiles of the expected error of a refined depth, in the result's unit.
        slope_sigma_deg: The same of the slope.
    """

    view: Side
    valid_fraction: float
    slope_fraction: float
    depth: dict[str, float]
    slope_deg: dict[str, float]
    steeper_than: dict[str, float]
    steeper_than_range: dict[str, tuple[float, float]]
    confidence: dict[str, float]
    depth_sigma: dict[str, float]
    slope_sigma_deg: dict[str, float]


class ModelReport(_Record, frozen=True, kw_only=True):
    """Which network ran, and on what.

    Attributes:
        bundle: Its folder.
        digest: SHA-256 of the bundle's manifest.
        student: Its id in the family, as in `S2`.
        precision: `fp32`, `fp16` or `int8`.
        gate: `passed`; `failed` where the bundle was written although it broke a limit of its
            export.
        output_set: What the graph computes: `left`, `both` or `all`.
        signed: `trusted`: as the trust store demands; `untrusted`: by others only, or too few;
            `unsigned`; `not checked`: it has signatures, and no trust store was given.
        signers: Names of the trusted keys that signed the bundle.
        backend: The inference library with its version.
        device: What it ran on, as in `cpu`.
    """

    bundle: str
    digest: str
    student: str
    precision: str
    gate: str
    output_set: str
    signed: str
    signers: list[str]
    backend: str
    device: str


class OptionsReport(_Record, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        view: The camera whose maps were wanted: `left`, `right` or `both`.
        slope: Its definition: `physical` or `paper`.
        smoothing_px: Standard deviation of the Gaussian before slopes, pixels of the grid.
        min_confidence: Percentage of the pixels, those with the largest expected error, that became
            invalid; None = none did.
        baseline_m: Distance of the cameras, metres, where given.
        altitude_m: Height of the left camera above the scene's plane, metres, where given.
        refine: `auto`, `on` or `off`.
    """

    view: str
    slope: str
    smoothing_px: float
    min_confidence: str | None
    baseline_m: float | None
    altitude_m: float | None
    refine: str


class Report(_Record, frozen=True, kw_only=True):
    """All that is known of a result.

    Attributes:
        report_version: Of this schema.
        status: `done`.
        verdict: `measured`: the images decided and what was told agrees; `guessed`: something
            rests on less.
        verdict_reasons: Why it is guessed.
        created: UTC.
        left: The left image.
        right: The right image.
        mapping: From the left image as given to the grid of the outputs.
        mapping_right: From the right image as given to the grid of the right view's outputs. It
            differs where the images' sizes, windows or cameras' resolutions do.
        model: The network; None where none ran.
        options: What was asked for.
        scale: What makes lengths metres.
        camera_left: Of the left image.
        camera_right: Of the right image.
        pose: The right camera's; None where it was not, or could not be, recovered.
        refinement: How the images refined the pair; None where nobody asked.
        plane: None where there is none.
        up: What slopes are measured from.
        views: What each camera sees, as asked for.
        not_finite: Per output, pixels that the network gave as NaN or infinite.
        timings_ms: Per stage.
        warnings: What to know before trusting the numbers.
        out: The folder of the results.
        files: Digest and size of each file there, this report excepted.
        versions: Of the software that ran.
    """

    report_version: int = REPORT_VERSION
    status: Literal["done"] = "done"
    verdict: str
    verdict_reasons: list[str]
    created: datetime
    left: ImageReport
    right: ImageReport
    mapping: GridMapping
    mapping_right: GridMapping
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
