"""What report.json holds: every field with its meaning, unit and frame."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.inference.result import Side
from lunar_runtime.report.flight_records import AlarmReport, FlownReport
from lunar_runtime.report.input_records import (
    BodyReport,
    ImageReport,
    ModelReport,
    OptionsReport,
    Record,
)
from lunar_runtime.report.refinement_records import RefinementReport

#: Version 1 called the results' grid the network's: network_px, network_width, network_height.
REPORT_VERSION = 2


class CameraReport(Record, frozen=True, kw_only=True):
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


class ScaleReport(Record, frozen=True, kw_only=True):
    """What makes lengths metres.

    Attributes:
        unit: Of every length in the result: `m` or `relative`.
        source: `baseline`, `rig`, `altitude` or `relative`.
        other: What counts beside it, by its own error; None = nothing.
        metres_per_unit: Factor that was applied to the relative result; None = none.
        sigma: Relative standard deviation of what all lengths err by together; it is in
            `depth_sigma` too. None = not known.
    """

    unit: str
    source: str
    metres_per_unit: float | None
    sigma: float | None
    other: str | None = None

    @property
    def words(self) -> str:
        """What fixed it, for a user; as `Scale.words`."""
        return self.source if self.other is None else f"{self.source} and {self.other}"


class PoseReport(Record, frozen=True, kw_only=True):
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


class PlaneReport(Record, frozen=True, kw_only=True):
    """The scene's robust plane.

    Attributes:
        normal: Unit vector towards the left camera's side, in its frame.
        camera_height: Of the left camera above the plane, in the result's unit.
    """

    normal: list[float]
    camera_height: float


class UpReport(Record, frozen=True, kw_only=True):
    """What slopes are measured from.

    Attributes:
        vector: Unit vector against gravity, in the left camera's frame.
        source: `rig`, or `plane`: the normal of the scene's plane.
        sigma_deg: Root mean square of its angle to gravity, degrees; of a rig's up the square root
            of two times its `attitude_sigma_deg`, more where the ground speaks against it.
    """

    vector: list[float]
    source: str
    sigma_deg: float


class ViewReport(Record, frozen=True, kw_only=True):
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
        called_flatter: Threshold -> of the ground that is steeper, the share that the slopes are
            expected to call flatter, by their own errors.
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
    called_flatter: dict[str, float] = msgspec.field(default_factory=dict)
    confidence: dict[str, float]
    depth_sigma: dict[str, float]
    slope_sigma_deg: dict[str, float]


class LandingReport(Record, frozen=True, kw_only=True):
    """Where the asked vehicle may stand; all of it is in sites.json.

    Attributes:
        lander: Its name.
        cell_m: Side of a cell of the ground's grid.
        safe: Share of the places that were tried.
        hazardous: Share of them.
        unknown: Share of them.
        sites: How many are named.
        first_safe_probability: Of the first site; None without one.
        reason: Why nothing is called safe or hazardous; None = something may be.
    """

    lander: str
    cell_m: float
    safe: float
    hazardous: float
    unknown: float
    sites: int
    first_safe_probability: float | None
    reason: str | None


class Report(Record, frozen=True, kw_only=True):
    """All that is known of a result.

    Attributes:
        report_version: Of this schema.
        status: `done`.
        verdict: `measured`: the images decided and what was told agrees; `guessed`: something
            rests on less.
        verdict_reasons: Why it is guessed.
        condition: `nominal`: what was asked for, measured, in time, no monitor tripped; or
            `degraded`.
        degraded_to: What is left, in words; None where it is nominal.
        alarms: Monitors that tripped.
        created: UTC.
        request: SHA-256 of all that decides the result: both images, their masks, the rig, the
            options, the bundle and the version of lunar-edge. None = not known.
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
        body: Where the left camera is on the Moon; None where the rig does not say.
        plane: None where there is none.
        up: What slopes are measured from.
        views: What each camera sees, as asked for.
        landing: Where a vehicle may stand; None where nobody asked.
        not_finite: Per output, pixels that the network gave as NaN or infinite.
        timings_ms: Per stage.
        flown: How the pair's deadline was met; None where it had none.
        warnings: What to know before trusting the numbers.
        out: The folder of the results.
        files: Digest and size of each file there, this report excepted.
        versions: Of the software that ran.
    """

    report_version: int = REPORT_VERSION
    status: Literal["done"] = "done"
    verdict: str
    verdict_reasons: list[str]
    condition: str = ""
    degraded_to: str | None = None
    alarms: list[AlarmReport] = msgspec.field(default_factory=list)
    created: datetime
    request: str | None = None
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
    body: BodyReport | None = None
    plane: PlaneReport | None
    up: UpReport
    views: list[ViewReport]
    landing: LandingReport | None
    not_finite: dict[str, int]
    timings_ms: dict[str, float]
    flown: FlownReport | None = None
    warnings: list[str]
    out: str
    files: dict[str, FileRecord]
    versions: dict[str, str]
