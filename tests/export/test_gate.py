"""What passes the precision gate, on pointmaps whose slopes are known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from lunar_export.commands.summary import gate_table
from lunar_export.judging.gate import (
    GateLimits,
    GateSubject,
    accuracy_failures,
    gate_record,
    require_gate,
)
from lunar_export.judging.latency import Latency
from lunar_export.judging.reference import Arrays, Reference
from lunar_export.judging.slope_error import SlopeError, SlopeReference
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_runtime.bundles.choices import Precision
from lunar_runtime.bundles.manifest import GateRecord
from lunar_runtime.errors import GateError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]

SIZE = 48
CAMERA = Intrinsics(60.0, 60.0, SIZE / 2, SIZE / 2)


def tilted(slope_deg: float) -> Points:
    """(H, W, 3): a plane that the camera looks down on, tilted about its x axis."""
    normal = np.array([0, np.sin(np.radians(slope_deg)), -np.cos(np.radians(slope_deg))])
    rays = pixel_rays(CAMERA, SIZE, SIZE)
    return np.asarray((-1 / (rays @ normal))[..., None] * rays)


def roof(slope_deg: float) -> Points:
    """Two planes of that slope that meet in the middle: its own best plane is flat."""
    up, down = tilted(slope_deg), tilted(-slope_deg)
    return np.where((np.arange(SIZE) < SIZE / 2)[:, None, None], up, down)


def ridges(slope_deg: float) -> Points:
    """Furrows 16 pixels wide across a level plane."""
    rows = np.abs(np.arange(SIZE) % 16 - 8) / CAMERA.fx
    depth = 1 + np.tan(np.radians(slope_deg)) * rows
    return np.asarray(depth[:, None, None] * pixel_rays(CAMERA, SIZE, SIZE))


def outputs(pointmap: Points) -> Arrays:
    points = pointmap[None].astype(np.float32)
    return {"pointmap_left": points, "confidence_left": np.ones(points.shape[:3], np.float32)}


def pair(pointmap: Points | None = None) -> EvaluationPair:
    image = np.zeros((SIZE, SIZE), np.uint8)
    depth = None if pointmap is None else pointmap[..., 2].astype(np.float32)
    return EvaluationPair("roof", image, image, depth, None if depth is None else CAMERA)


def measured(
    fp32: Points, other: Points, truth: Points | None = None
) -> tuple[SlopeError, SlopeError]:
    reference = SlopeReference.of(Reference((pair(truth),), (outputs(fp32),)))
    return reference.fp32, reference.measure([outputs(other)])


def test_the_network_itself_shifts_nothing() -> None:
    fp32, _ = measured(roof(20), roof(20))
    assert (fp32.shift_deg, fp32.max_relative_error, fp32.not_finite) == (0, 0, 0)
    assert fp32.mae_deg is None and fp32.miss == {10.0: None, 15.0: None}


def test_a_roof_made_steeper_by_a_degree_shifts_by_a_degree_but_for_its_ridge() -> None:
    _, error = measured(roof(20), roof(21))
    # Smoothing at σ = 2 px rounds some 8 of the 42 rows off, to all slopes from 0 to 20.
    assert 0.75 < error.shift_deg < 1.0


def test_scale_alone_shifts_no_slope_and_is_an_error_of_the_pointmap() -> None:
    _, error = measured(roof(20), roof(20) * 1.5)
    assert error.shift_deg < 0.05  # rounding of float32 points
    assert error.max_relative_error == pytest.approx(0.5, abs=1e-5)


def test_hazards_that_are_flattened_are_missed_and_known_only_with_a_truth() -> None:
    fp32, error = measured(ridges(25), ridges(8), truth=ridges(25))
    assert fp32.mae_deg is not None and error.mae_deg is not None
    assert fp32.miss == {10.0: 0.0, 15.0: 0.0} and fp32.mae_deg < 0.01
    assert error.miss == {10.0: 1.0, 15.0: 1.0} and error.mae_deg > 5
    failures = accuracy_failures("int8", error, fp32)
    assert failures[1:] == (
        "100.00 points more of the ground over 10 deg is called safe, 0.5 is allowed",
        "100.00 points more of the ground over 15 deg is called safe, 0.5 is allowed",
    )


def test_values_that_are_lost_count_and_are_as_wrong_as_can_be() -> None:
    broken = roof(20)
    broken[10:30] = np.nan
    fp32, error = measured(roof(20), broken, truth=roof(20))
    assert error.not_finite == 20 * SIZE * 3
    assert error.shift_deg > 90 * 18 / 42
    assert "2880 values are NaN or infinite" in accuracy_failures("int8", error, fp32)


def test_limits_are_those_that_are_given() -> None:
    error = dataclasses.replace(NOTHING, shift_deg=0.3)
    strict = GateLimits(int8_shift_deg=0.2)
    assert accuracy_failures("int8", error, NOTHING, strict) == (
        "slopes shift by 0.30 deg, 0.2 is allowed",
    )
    gate = gate_record(SUBJECT, error, NOTHING, None, strict)
    assert gate.slope_shift_limit_deg == 0.2 and len(gate.failures) == 1


NOTHING = SlopeError(0.0, 5.0, {10.0: 0.4, 15.0: 0.6}, 0.0, 0)


@pytest.mark.parametrize(
    ("precision", "change", "failures"),
    [
        ("int8", {"shift_deg": 0.5}, ()),
        ("int8", {"shift_deg": 0.51}, ("slopes shift by 0.51 deg, 0.5 is allowed",)),
        ("fp16", {"shift_deg": 0.1}, ()),
        ("fp16", {"shift_deg": 0.11}, ("slopes shift by 0.11 deg, 0.1 is allowed",)),
        ("int8", {"shift_deg": float("nan")}, ("slopes shift by nan deg, 0.5 is allowed",)),
        ("int8", {"miss": {10.0: 0.404, 15.0: 0.1}}, ()),
        (
            "int8",
            {"miss": {10.0: 0.41, 15.0: 0.6}},
            ("1.00 points more of the ground over 10 deg is called safe, 0.5 is allowed",),
        ),
    ],
)
def test_the_limits_are_those_of_the_precision(
    precision: Precision, change: dict[str, Any], failures: tuple[str, ...]
) -> None:
    error = dataclasses.replace(NOTHING, **change)
    assert accuracy_failures(precision, error, NOTHING) == failures


SUBJECT = GateSubject("int8", 3, "3 roofs", fp32_bytes=4_000_000, bytes=1_000_000)


def record(error: SlopeError = NOTHING, latency: Latency | None = None) -> GateRecord:
    return gate_record(SUBJECT, error, NOTHING, latency)


@pytest.mark.parametrize(
    ("latency", "failures"),
    [
        (None, ()),
        (Latency(0.99, "here"), ()),
        (Latency(1.0, "here"), ("it takes 1.00 times as long as fp32 (here)",)),
        (Latency(1.5, "here"), ("it takes 1.50 times as long as fp32 (here)",)),
    ],
)
def test_what_is_not_faster_fails_where_it_was_timed(
    latency: Latency | None, failures: tuple[str, ...]
) -> None:
    assert record(latency=latency).failures == failures


def test_what_passed_is_not_refused_and_what_failed_is_with_every_reason() -> None:
    require_gate("int8", record())
    bad = dataclasses.replace(NOTHING, shift_deg=0.9, not_finite=2)
    with pytest.raises(GateError) as caught:
        require_gate("int8", record(bad, Latency(1.5, "here")))
    assert str(caught.value) == (
        "the int8 graph fails its gate: 2 values are NaN or infinite; slopes shift by 0.90 deg, "
        "0.5 is allowed; it takes 1.50 times as long as fp32 (here); nothing was written. Use "
        "another precision or other calibration pairs (`calib`), or `force` for a bundle that says "
        "that it failed"
    )


def test_the_table_has_every_measurement() -> None:
    lines = gate_table("int8", record(dataclasses.replace(NOTHING, shift_deg=0.25)))
    assert [line.split()[0] for line in lines] == [
        "fp32", "size,", "slope", "slope", "miss", "miss", "largest", "NaN", "latency", "on",
    ]  # fmt: skip
    assert lines[1].split() == ["size,", "MB", "4.0", "1.0"]
    assert lines[2].split() == ["slope", "MAE", "shift,", "deg", "0.250", "0.5"]
    assert lines[4].split() == ["miss", "at", "10", "deg", "40.00%", "40.00%", "+0.5", "points"]
    assert lines[-1] == "on 3 pairs (3 roofs); not timed here: no TensorRT target"
