"""The lines that people read of a report, from reports of real runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_runtime.commands.summary import summary, summary_lines
from lunar_runtime.inference.pipeline import StereoRuntime
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.report.records import Report
from lunar_runtime.report.refinement_records import RefinementReport
from lunar_runtime.report.report import make_report
from numpy.typing import NDArray

from .images import unsaturated
from .plane_scene import PlaneScene


@pytest.fixture(scope="module")
def result(
    bundles: dict[str, Path],
    scene: PlaneScene,
    make_texture: Callable[..., NDArray[np.uint8]],
) -> StereoResult:
    """The plane of the tests, in kilometres that became metres."""
    with StereoRuntime.load(bundles["both"], threads=1) as runtime:
        images = unsaturated(make_texture(1)), unsaturated(make_texture(2))
        return runtime.infer(*images, altitude_m=scene.altitude_m, refine="off")


@pytest.fixture
def report(result: StereoResult) -> Report:
    return make_report(result, "out")


def rows(report: Report) -> list[tuple[str, str]]:
    return [(line[:7].rstrip(), line[7:]) for line in summary(report)]


def test_every_fact_has_its_line_in_order(report: Report) -> None:
    names = [name for name, _ in rows(report)]
    assert names == ["result", "unit", "depth", "slope", "valid", "camera", "time", "files"]


def test_depth_and_slope_are_those_of_the_plane(report: Report, scene: PlaneScene) -> None:
    lines = dict(rows(report))
    depth = scene.pointmap_left()[..., 2] * scene.metres_per_unit
    low, median, high = np.percentile(depth, [5, 50, 95])
    found = re.fullmatch(r"(\S+) to (\S+) m, median (\S+)", lines["depth"])
    assert found is not None
    # 1e-5: a float32 pointmap and six digits.
    np.testing.assert_allclose([float(n) for n in found.groups()], [low, high, median], rtol=1e-5)
    assert lines["slope"] == "median 0.0 deg, 0% to 100% over 15 deg (up: plane)"
    assert lines["unit"] == "m (scale from the altitude)"
    assert lines["valid"] == "100.0% of 64 x 64 px"
    assert lines["camera"] == "focal length 80.0 px (nominal)"
    assert lines["files"] == "out: report.json"
    assert lines["time"].endswith(" ms on cpu")


def test_without_a_scale_the_reader_is_told_what_gives_one(report: Report) -> None:
    relative = msgspec.structs.replace(
        report, scale=msgspec.structs.replace(report.scale, unit="relative", source="relative")
    )
    lines = dict(rows(relative))
    assert lines["unit"].startswith("relative (for metres, give --baseline-m")
    assert " (relative), median " in lines["depth"]


def test_a_length_that_makes_no_metres_is_said_to_make_none(report: Report) -> None:
    relative = msgspec.structs.replace(
        report,
        scale=msgspec.structs.replace(report.scale, unit="relative", source="relative"),
        warnings=["scale: the focal length is not known; give intrinsics; depth stays relative"],
    )
    assert dict(rows(relative))["unit"] == "relative (the focal length is not known)"


def test_no_slope_is_said(report: Report) -> None:
    view = msgspec.structs.replace(report.views[0], slope_deg={}, steeper_than={})
    assert dict(rows(msgspec.structs.replace(report, views=[view])))["slope"] == "none"


def test_the_papers_slope_is_told_from_the_physical_one(report: Report) -> None:
    options = msgspec.structs.replace(report.options, slope="paper")
    lines = dict(rows(msgspec.structs.replace(report, options=options)))
    assert lines["slope"].endswith("(the paper's)")


def test_without_a_network_no_device_is_named(report: Report) -> None:
    assert dict(rows(msgspec.structs.replace(report, model=None)))["time"].endswith(" ms")


def test_notes_come_last_one_a_line(report: Report) -> None:
    noted = msgspec.structs.replace(report, warnings=["first", "second"])
    assert rows(noted)[-2:] == [("note", "first"), ("note", "second")]


REFINED = RefinementReport(
    status="refined",
    reason=None,
    pose_source="matches",
    pose_held=False,
    misfits=[],
    cameras_err=False,
    matches=900,
    inliers=800,
    epipolar_px=0.1234,
    pattern_px=0.03,
    network_differs_deg=None,
    parallax_deg=12.34,
    relief_gain=None,
    pose_sigma_deg=(0.01, 0.1),
    focal_ratio=1.0,
    focal_sigma=0.01,
    views={"left": {"fraction": 0.876}},
    shading={},
)


_DEPTH = "expected error: depth 45.7 m"


@pytest.mark.parametrize(
    ("slope_sigma", "flatter", "expected"),
    [
        ({"p50": 1.26}, {}, f"{_DEPTH}, slope 1.3 deg (medians)"),
        (
            {"p50": 1.26},
            {"15": 0.216},
            f"{_DEPTH}, slope 1.3 deg (medians); 22% of what is over 15 deg is called flatter",
        ),
        ({}, {}, f"{_DEPTH} (medians)"),
    ],
)
def test_a_refined_pair_tells_its_expected_errors(
    report: Report, slope_sigma: dict[str, float], flatter: dict[str, float], expected: str
) -> None:
    view = msgspec.structs.replace(
        report.views[0],
        depth_sigma={"p50": 45.678},
        slope_sigma_deg=slope_sigma,
        called_flatter=flatter,
    )
    refined = msgspec.structs.replace(report, views=[view], refinement=REFINED)
    lines = rows(refined)
    at = [name for name, _ in lines].index("images")
    assert lines[at : at + 2] == [
        ("images", "88% by the images; epipolar residual 0.123 px, parallax 12.3 deg"),
        ("", expected),
    ]


def test_why_a_pair_was_kept_is_left_to_the_notes(report: Report) -> None:
    kept = msgspec.structs.replace(REFINED, status="kept", reason="no matches")
    assert "images" not in dict(rows(msgspec.structs.replace(report, refinement=kept)))


def test_one_of_many_pairs_is_a_line_its_reasons_and_notes(report: Report) -> None:
    warned = msgspec.structs.replace(
        report, alarms=[], verdict_reasons=["one", "two"], warnings=["the first", "the second"]
    )
    lines = dict(rows(report))
    assert summary_lines(warned) == [
        f"out (left array, right array): guessed; depth {lines['depth']}; slope {lines['slope']}",
        "  guessed: one",
        "  guessed: two",
        "  note the first",
        "  note the second",
    ]
