"""How the images refined a pair, as report.json holds it."""

from __future__ import annotations

from typing import Literal

from lunar_runtime.report.input_records import Record


class MisfitReport(Record, frozen=True):
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


class OtherSunReport(Record, frozen=True, kw_only=True):
    """What an image under another sun added.

    Attributes:
        reason: Why it added nothing; null = it did.
        explained: As of the pair's own.
        width_px: As of the pair's own.
        shift_px: How far right and down it was found from where its pose puts it, pixels of the
            view; it was moved back.
    """

    reason: str | None
    explained: float
    width_px: float
    shift_px: tuple[float, float]


class ShadingReport(Record, frozen=True, kw_only=True):
    """What the brightness of a view added to its slopes.

    Attributes:
        reason: Why the pair's own added nothing; null = it did.
        explained: Share of the brightness' variance that slopes explain in blocks of the view on
            which the light was not fitted.
        width_px: Sigma of the mean that is taken from the brightness, in pixels: much longer waves
            are stereo's alone. 0 = off.
        other_suns: Of the images under other suns, in their order.
    """

    reason: str | None
    explained: float
    width_px: float
    other_suns: tuple[OtherSunReport, ...] = ()


class RefinementReport(Record, frozen=True, kw_only=True):
    """How the images refined the pair.

    Attributes:
        status: `refined`; `kept`: the network's result, for the reason given.
        reason: Why the pair was not refined.
        pose_source: What the pose started from: `matches`, `network` or `rig`.
        pose_held: Whether the pose is the rig's as it was told.
        matches: Sparse matches.
        inliers: Of those, within 1.5 px of their epipolar lines.
        epipolar_px: Median distance of the dense matches from their epipolar lines.
        pattern_px: By how much neighbours among them miss together, root mean square.
        rival_pose: Median distance under the other pose that nearly plane ground allows, over that
            under this one; null = there is none, or the rig decides.
        network_differs_deg: Angle between the refined rotation and the network's.
        parallax_deg: Median angle under which the refined ground sees the baseline.
        relief_gain: Factors on the network's coarse and fine relief where the images are silent.
        pose_sigma_deg: Standard deviations of the rotation and of the baseline's direction; of
            cameras that err (`cameras_err`), with what that does to a pose.
        focal_ratio: Focal length that the matches ask for, over the one that was used.
        focal_sigma: Its standard deviation; large where the camera did not turn.
        cameras_err: Whether the told cameras are taken to err in the metres: as the rig says
            (`focal_sigma`), or as its pose and the images' show.
        rig_apart: How far the rig's pose and the images' are apart, in standard deviations of both;
            null = no rig tells one.
        misfits: Numbers of the cameras that the matches would have otherwise, the surest first.
        views: Per refined view: share of its pixels where the images decide (`fraction`), that the
            other image shows (`overlap`), their `correlation`, the expected relative error of depth
            elsewhere (`prior_sigma`), how much the brightness of the two images differs from
            place to place (`unevenness`, relative), the share that both images would show, but for
            their masks (`hidden`), and the share where both show detail that is not the same
            (`unmatched`).
        shading: Per refined view, what its brightness added to the slopes.
    """

    status: Literal["refined", "kept"]
    reason: str | None
    pose_source: str
    pose_held: bool
    matches: int
    inliers: int
    epipolar_px: float
    pattern_px: float
    rival_pose: float | None = None
    network_differs_deg: float | None
    parallax_deg: float
    relief_gain: tuple[float, float] | None
    pose_sigma_deg: tuple[float, float]
    focal_ratio: float
    focal_sigma: float
    cameras_err: bool
    rig_apart: float | None = None
    misfits: list[MisfitReport]
    views: dict[str, dict[str, float]]
    shading: dict[str, ShadingReport]
