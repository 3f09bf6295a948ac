"""What report.json says of results in closed form, field by field."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import msgspec
import numpy as np
import pytest
from lunar_runtime.bundles.manifest import FileRecord
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.files.printable import printable
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.geometry_only import infer_geometry_only
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import PairImage, Refinement, StereoResult
from lunar_runtime.report.records import REPORT_VERSION, Report
from lunar_runtime.report.report import encode_report, make_report, with_files
from lunar_runtime.version import __version__

from .results import SCENE, network_result, refined_result
from .scenes import hilly_scene

FILES = {"depth.tif": FileRecord(sha256="a" * 64, bytes=7)}


def report_of(result: StereoResult) -> Report:
    return with_files(make_report(result, "out/pair"), FILES, 3.14159)


def test_a_report_survives_json() -> None:
    for result in (network_result(), refined_result()):
        report = report_of(result)
        for indent in (0, 2):
            encoded = encode_report(report, indent=indent)
            assert msgspec.json.decode(encoded, type=Report) == report
    assert b"\n" not in encode_report(report)
    assert encode_report(report, indent=2).startswith(b'{\n  "report_version": 2,')


def test_the_version_is_two_and_the_grid_is_called_so() -> None:
    content = json.loads(encode_report(report_of(network_result())))
    assert content["report_version"] == REPORT_VERSION == 2
    assert content["mapping"]["grid_width"] == 64
    assert not [name for name in content["mapping"] if "network" in name]
    assert "network_px" not in content["camera_left"]


def test_where_the_rig_places_the_camera_on_the_moon() -> None:
    assert report_of(refined_result()).body is None
    pose = np.array([[0.0, 0, -1, 1_777_400], [1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    scene = hilly_scene(128)
    result = infer_geometry_only(
        scene.grey_left, scene.grey_right, Rig(left=scene.left, body_from_left=pose)
    )
    content = json.loads(encode_report(report_of(result)))
    assert content["body"] == {"frame": "MOON_ME", "body_from_left": pose.tolist()}


def test_what_was_done_and_when() -> None:
    report = report_of(network_result())
    assert report.status == "done"
    assert report.out == "out/pair"
    assert report.files == FILES
    assert report.versions["lunar-edge"] == __version__
    assert set(report.versions) == {"lunar-edge", "python", "numpy", "opencv"}
    assert timedelta(0) <= datetime.now(timezone.utc) - report.created < timedelta(minutes=1)
    assert report.timings_ms == {"network": 12.35, "write": 3.14}


def test_images_are_described_as_they_were_given() -> None:
    left = report_of(network_result()).left
    assert (left.path, left.sha256) == ("left array", None)
    assert (left.width, left.height, left.dtype, left.channels) == (64, 64, "uint8", 1)
    assert left.stretch is None


def test_the_model_and_the_options_are_named() -> None:
    report = report_of(network_result())
    assert report.model is not None
    assert report.model.bundle == "/bundles/plane"
    assert (report.model.student, report.model.precision, report.model.gate) == (
        "S0",
        "fp32",
        "passed",
    )
    assert report.options.refine == "off"
    assert report.options.altitude_m == SCENE.ground.height_of_camera_m
    assert report_of(refined_result()).model is None


def test_the_scale_is_what_was_applied() -> None:
    scale = report_of(network_result()).scale
    assert (scale.unit, scale.source) == ("m", "altitude")
    # The plane of hills is not quite the one they stand on.
    assert scale.metres_per_unit == pytest.approx(1000, rel=0.01)
    relative = report_of(network_result(InferOptions(refine="off"))).scale
    assert (relative.unit, relative.source, relative.metres_per_unit) == (
        "relative",
        "relative",
        None,
    )


def test_convention_cameras_are_fx_fy_cx_cy_on_the_grid_and_in_the_image() -> None:
    """A window of 128 px in an image of 200 × 128, halved, and a right one as it is."""
    window = Window(36, 0, 128, 128)
    grids = PairGrids(
        GridMapping.whole(128, 200, window).with_grid(64, 64), GridMapping.whole(90, 80)
    )
    camera = CameraEstimate(Intrinsics(70.0, 71.0, 32.0, 31.0), "rig")
    result = replace(network_result(), grids=grids, camera_left=camera, camera_right=camera)
    report = report_of(result)
    assert report.camera_left.source == "rig"
    assert report.camera_left.grid_px == (70.0, 71.0, 32.0, 31.0)
    assert report.camera_left.image_px == (140.0, 142.0, 64.0 + 36.0, 62.0)
    assert report.camera_right.image_px == report.camera_right.grid_px == (70.0, 71.0, 32.0, 31.0)
    assert (report.mapping, report.mapping_right) == grids


def test_images_are_told_at_the_size_they_were_given_and_by_their_window() -> None:
    result = network_result()
    assert (report_of(result).left.width, report_of(result).left.window) == (64, None)
    window = Window(3, 5, 100, 90)
    source = grey_from_array(hilly_scene(128).grey_left, window=window)
    part = report_of(replace(result, left=PairImage(source, source.pixels))).left
    assert (part.width, part.height, part.window) == (128, 128, window)


def test_the_pose_is_row_by_row_in_the_results_unit() -> None:
    report = report_of(refined_result())
    assert report.pose is not None
    scene = hilly_scene(128)
    np.testing.assert_allclose(np.array(report.pose.right_from_left)[3], [0, 0, 0, 1])
    assert report.pose.baseline == pytest.approx(scene.baseline_m, rel=1e-9)  # it was told
    assert 0 < report.pose.inlier_fraction <= 1
    assert report.pose.reprojection_px < 0.12
    without = report_of(replace(network_result(), pose=None))
    assert without.pose is None


def test_plane_and_up_are_the_grounds() -> None:
    report = report_of(network_result())
    assert report.plane is not None
    assert report.plane.camera_height == pytest.approx(SCENE.ground.height_of_camera_m)
    np.testing.assert_allclose(report.up.vector, report.plane.normal)
    assert report.up.source == "plane"
    assert report_of(replace(network_result(), plane=None)).plane is None


def test_percentiles_are_those_of_the_finite_pixels() -> None:
    result = network_result()
    view = result.views["left"]
    depth = view.depth.copy()
    depth[:16] = np.nan
    found = report_of(replace(result, views={"left": replace(view, depth=depth)})).views[0]
    assert found.valid_fraction == 0.75
    expected = np.percentile(depth[16:].astype(np.float64), [5, 25, 50, 75, 95])
    assert list(found.depth) == ["p5", "p25", "p50", "p75", "p95"]
    np.testing.assert_allclose(list(found.depth.values()), expected)


def test_steeper_than_is_the_share_of_the_pixels_with_a_slope() -> None:
    result = network_result()
    view = result.views["left"]
    slope = np.full((64, 64), np.nan, np.float32)
    slope[0, :10] = [1, 2, 3, 4, 5, 6, 11, 12, 16, 30]
    found = report_of(replace(result, views={"left": replace(view, slope=slope)})).views[0]
    assert found.steeper_than == {"5": 0.5, "10": 0.4, "15": 0.2, "20": 0.1}


def test_a_view_without_values_has_no_figures() -> None:
    result = network_result()
    nothing = np.full((64, 64), np.nan, np.float32)
    empty = replace(result.views["left"], depth=nothing, slope=nothing)
    found = report_of(replace(result, views={"left": empty})).views[0]
    assert found.valid_fraction == 0
    assert found.depth == found.slope_deg == found.steeper_than == {}
    assert found.depth_sigma == found.slope_sigma_deg == {}


def test_a_refined_pair_reports_its_refinement_and_expected_errors() -> None:
    result = refined_result()
    report = report_of(result)
    assert report.refinement is not None
    assert (report.refinement.status, report.refinement.reason) == ("refined", None)
    assert report.refinement.pose_source == "matches"
    assert [view.view for view in report.views] == ["left", "right"]
    assert set(report.refinement.views) == {"left", "right"}
    assert set(report.refinement.views["left"]) == {
        "fraction",
        "overlap",
        "correlation",
        "prior_sigma",
        "unevenness",
        "unmatched",
        "hidden",
    }
    depth_sigma = result.views["left"].depth_sigma
    assert depth_sigma is not None
    assert report.views[0].depth_sigma["p50"] == pytest.approx(np.median(depth_sigma), rel=1e-6)
    assert report.views[0].slope_sigma_deg["p5"] > 0


def test_a_pair_that_was_not_refined_says_why() -> None:
    kept = replace(network_result(), refinement=Refinement(reason="too dark"))
    refinement = report_of(kept).refinement
    assert refinement is not None
    assert (refinement.status, refinement.reason) == ("kept", "too dark")
    assert report_of(network_result()).refinement is None  # nobody asked


def test_warnings_and_counts_are_those_of_the_notes() -> None:
    notes = Notes(("look out",), {"pointmap_left": 2})
    report = report_of(network_result(notes=notes))
    assert report.warnings == ["look out"]
    assert report.not_finite == {"pointmap_left": 2}


def test_a_name_that_is_no_text_is_spelled_out() -> None:
    assert printable("pair\udcff.png") == "pair\\udcff.png"
    assert printable("Ünïcode") == "Ünïcode"
