"""report.json: how a result came about, for whoever has to trust it."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.files.images import GreyImage
from lunar_runtime.files.printable import printable
from lunar_runtime.geometry.grid_mapping import GridMapping
from lunar_runtime.geometry.lens import Lens
from lunar_runtime.geometry.robust import percentiles
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.guard.condition import condition_of
from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.hazard import HAZARD_DEG
from lunar_runtime.inference.result import ModelInfo, Side, StereoResult
from lunar_runtime.landing.hazards import HAZARDOUS, SAFE, UNKNOWN
from lunar_runtime.landing.landing import Landing
from lunar_runtime.report.flight_records import AlarmReport, FlownReport
from lunar_runtime.report.input_records import (
    ActivationsReport,
    BodyReport,
    FeaturesReport,
    ImageReport,
    MaskReport,
    ModelReport,
    OptionsReport,
    SelfTestReport,
    WeightsReport,
)
from lunar_runtime.report.records import (
    CameraReport,
    LandingReport,
    PlaneReport,
    PoseReport,
    Report,
    ScaleReport,
    UpReport,
    ViewReport,
)
from lunar_runtime.report.refinement_report import refinement_report
from lunar_runtime.version import __version__

_PERCENTILES = (5, 25, 50, 75, 95)


def make_report(
    result: StereoResult,
    out: str,
    landing: Landing | None = None,
    request: str | None = None,
) -> Report:
    """Put a result into words; its files come by `with_files`.

    Args:
        result: Of one pair.
        out: The folder it is in.
        landing: Where a vehicle may stand on it.
        request: Digest of what was asked for.
    """
    pose, plane = result.pose, result.plane
    judged = condition_of(result)
    return Report(
        created=datetime.now(timezone.utc),
        request=request,
        verdict=result.verdict,
        verdict_reasons=list(result.verdict_reasons),
        condition=judged.condition,
        degraded_to=judged.degraded_to,
        alarms=[AlarmReport(alarm.monitor, alarm.saw) for alarm in result.alarms],
        left=_image(result.left.source),
        right=_image(result.right.source),
        mapping=result.mapping,
        mapping_right=result.mapping_right,
        model=None if result.model is None else _model(result.model),
        options=OptionsReport(
            view=result.options.view,
            slope=result.options.slope,
            smoothing_px=result.options.smoothing_px,
            min_confidence=result.options.min_confidence,
            baseline_m=result.options.baseline_m,
            altitude_m=result.options.altitude_m,
            refine=result.options.refine,
            longest_px=result.options.longest_px,
        ),
        scale=ScaleReport(
            unit=result.unit,
            source=result.scale.source.value,
            metres_per_unit=result.scale.metres_per_unit,
            sigma=result.scale.sigma,
            other=None if result.scale.other is None else result.scale.other.value,
        ),
        camera_left=_camera(result.camera_left, result.lenses[0], result.mapping),
        camera_right=_camera(result.camera_right, result.lenses[1], result.mapping_right),
        pose=None
        if pose is None
        else PoseReport(
            right_from_left=pose.right_from_left.tolist(),
            baseline=float(np.linalg.norm(pose.right_from_left[:3, 3])),
            inlier_fraction=pose.inlier_fraction,
            reprojection_px=pose.reprojection_px,
        ),
        refinement=None if result.refinement is None else refinement_report(result.refinement),
        body=None
        if result.body_from_left is None
        else BodyReport(body_from_left=result.body_from_left.tolist()),
        plane=None
        if plane is None
        else PlaneReport(normal=plane.normal.tolist(), camera_height=plane.camera_height),
        up=UpReport(
            vector=result.up.vector.tolist(),
            source=result.up.source,
            sigma_deg=result.up.sigma_deg,
        ),
        views=[_view(result, side) for side in result.views],
        landing=None if landing is None else _landing(landing),
        not_finite=result.not_finite,
        timings_ms={name: round(value, 2) for name, value in result.timings_ms.items()},
        flown=None if result.flown is None else _flown(result.flown),
        warnings=list(result.warnings),
        out=out,
        files={},
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


def with_files(report: Report, files: Mapping[str, FileRecord], write_ms: float) -> Report:
    """A report with what was written.

    Args:
        report: Of the result.
        files: Digest and size of each file there, the report excepted.
        write_ms: How long writing them took.
    """
    timings = {**report.timings_ms, "write": round(write_ms, 2)}
    return msgspec.structs.replace(report, files=dict(files), timings_ms=timings)


def _image(image: GreyImage) -> ImageReport:
    return ImageReport(
        path=printable(image.name),
        sha256=image.sha256,
        width=image.source_size[0],
        height=image.source_size[1],
        window=image.window,
        dtype=image.dtype,
        channels=image.channels,
        stretch=image.stretch,
        mask=None
        if image.mask is None
        else MaskReport(path=printable(image.mask.name), sha256=image.mask.sha256),
        masked_fraction=1 - image.valid_fraction,
        masked=dict(image.masked),
        repaired_fraction=image.repaired,
    )


def _camera(camera: CameraEstimate, lens: Lens | None, mapping: GridMapping) -> CameraReport:
    grid, image = camera.intrinsics, mapping.to_source(camera.intrinsics)
    return CameraReport(
        source=camera.source,
        distortion=None if lens is None else lens.distortion.words(),
        grid_px=(grid.fx, grid.fy, grid.cx, grid.cy),
        image_px=(image.fx, image.fy, image.cx, image.cy),
    )


def _view(result: StereoResult, side: Side) -> ViewReport:
    view = result.views[side]
    slope = view.slope[np.isfinite(view.slope)]
    return ViewReport(
        view=side,
        valid_fraction=float(np.isfinite(view.depth).mean()),
        slope_fraction=slope.size / view.slope.size,
        depth=_percentiles(view.depth),
        slope_deg=_percentiles(view.slope),
        steeper_than={
            str(limit): float(np.mean(slope > limit)) for limit in HAZARD_DEG if slope.size
        },
        steeper_than_range={str(limit): both for limit, both in view.steep_ranges.items()},
        called_flatter={str(limit): share for limit, share in view.called_flatter.items()},
        confidence=_percentiles(view.confidence),
        depth_sigma={} if view.depth_sigma is None else _percentiles(view.depth_sigma),
        slope_sigma_deg={} if view.slope_sigma is None else _percentiles(view.slope_sigma),
    )


def _model(model: ModelInfo) -> ModelReport:
    return ModelReport(
        bundle=printable(model.bundle_path),
        digest=model.bundle_digest,
        student=printable(model.student),
        precision=model.precision,
        gate=model.gate,
        output_set=model.output_set,
        signed=model.signed.state,
        signers=list(model.signed.signers),
        backend=model.backend,
        device=model.device,
        weights=WeightsReport(
            ranges=model.ranges,
            held_bytes=model.weights.held_bytes,
            not_held=model.weights.reason,
            pairs=model.weights.pairs,
            mismatches=model.weights.mismatches,
            reloads=model.weights.reloads,
            repeated=model.weights.repeated,
            check_ms=round(model.weights.check_ms, 2),
        ),
        self_test=SelfTestReport(
            mode=model.self_test.mode,
            every=model.self_test.every,
            passed=model.self_test.passed,
            failed=model.self_test.failed,
            pairs_since=model.self_test.pairs_since,
            ms=round(model.self_test.last_ms, 2),
        ),
        activations=ActivationsReport(
            points=model.activations.points,
            not_watched=model.activations.reason,
            breaches=model.activations.breaches,
            mended=model.activations.mended,
            last=printable(model.activations.last),
        ),
        features=None
        if model.features is None
        else FeaturesReport(**dataclasses.asdict(model.features)),
    )


def _flown(flown: Flown) -> FlownReport:
    return FlownReport(
        rung=flown.rung,
        step=flown.step,
        deadline_ms=flown.deadline_ms,
        took_ms=flown.took_ms,
        met=flown.met,
        passed_over=list(flown.passed_over),
        age_s=flown.age_s,
    )


def _landing(landing: Landing) -> LandingReport:
    shares = landing.shares
    return LandingReport(
        lander=landing.lander.name,
        cell_m=landing.grid.cell_m,
        safe=shares[SAFE],
        hazardous=shares[HAZARDOUS],
        unknown=shares[UNKNOWN],
        sites=len(landing.sites),
        first_safe_probability=landing.sites[0].safe_probability if landing.sites else None,
        reason=landing.reason,
    )


def _percentiles(values: NDArray[Any]) -> dict[str, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return {}
    return {
        f"p{p}": float(v)
        for p, v in zip(_PERCENTILES, percentiles(finite, _PERCENTILES), strict=True)
    }
