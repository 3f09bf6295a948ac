"""A result's folder: what is in it, and that it is there whole or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.errors import InputError, OutputError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Refinement
from lunar_runtime.report.outputs import write_result
from lunar_runtime.report.records import Report
from lunar_runtime.report.result_names import REPORT_NAME, RESULT_NAMES, check_out

from .outcomes import LANDING_FILES, names
from .results import network_result, refined_result

PLAIN = {
    "depth.tif", "slope.tif", "confidence.tif",
    "pointmap.npz", "pointcloud.ply", "preview.png", "report.json",
}  # fmt: skip
SIGMAS = {"depth_sigma.tif", "slope_sigma.tif"}


def test_a_result_of_the_network_has_these_files(tmp_path: Path) -> None:
    write_result(network_result(), tmp_path / "out")
    assert names(tmp_path / "out") == PLAIN


def test_a_refined_pair_of_both_views_has_all_that_a_folder_may_hold(tmp_path: Path) -> None:
    write_result(refined_result(), tmp_path / "out")
    rasters = {name for name in PLAIN | SIGMAS if name.endswith(".tif")}
    right = {name.replace(".tif", "_right.tif") for name in rasters}
    assert names(tmp_path / "out") == PLAIN | SIGMAS | right == RESULT_NAMES - LANDING_FILES


def test_rasters_hold_the_results_values_to_the_bit(tmp_path: Path) -> None:
    result = refined_result()
    write_result(result, tmp_path / "out")
    for side, suffix in (("left", ""), ("right", "_right")):
        view = result.views["left" if side == "left" else "right"]
        for kind in ("depth", "slope", "confidence", "depth_sigma", "slope_sigma"):
            np.testing.assert_array_equal(
                read_raster(tmp_path / f"out/{kind}{suffix}.tif"), getattr(view, kind)
            )


def test_the_right_view_alone_takes_the_plain_names(tmp_path: Path) -> None:
    result = network_result(InferOptions(view="right", refine="off"))
    write_result(result, tmp_path / "out")
    assert names(tmp_path / "out") == PLAIN
    np.testing.assert_array_equal(
        read_raster(tmp_path / "out/depth.tif"), result.views["right"].depth
    )


def test_invalid_pixels_are_nan_in_every_raster(tmp_path: Path) -> None:
    result = network_result()
    view = result.views["left"]
    depth = view.depth.copy()
    depth[:5] = np.nan
    write_result(replace(result, views={"left": replace(view, depth=depth)}), tmp_path / "out")
    assert np.isnan(read_raster(tmp_path / "out/depth.tif")).sum() == 5 * 64


PLACES = ("crop", "source_size", "camera")
ARRAYS_LEFT = {"left", "confidence_left", "unit", "verdict", *(f"{one}_left" for one in PLACES)}
ARRAYS_RIGHT = {"right", "confidence_right", *(f"{one}_right" for one in PLACES)}


def test_each_view_says_where_it_lies_in_its_image(tmp_path: Path) -> None:
    """Of windows, and of images of two sizes: in the rasters' tags and in the pointmaps' file."""
    result = refined_result()
    left, right = Window(30, 20, 64, 64), Window(0, 7, 128, 128)
    grids = PairGrids(
        GridMapping.whole(300, 400, left),
        GridMapping.whole(135, 128, right).with_grid(64, 64),
    )
    write_result(replace(result, grids=grids), tmp_path / "out")
    for name, window, size in (
        ("depth", left, "400 300"),
        ("depth_right", right, "128 135"),
    ):
        content = (tmp_path / f"out/{name}.tif").read_bytes()
        crop = " ".join(map(str, window))
        assert f'"LUNAR_CROP">{crop}</Item>'.encode() in content
        assert f'"LUNAR_SOURCE_SIZE">{size}</Item>'.encode() in content
    with np.load(tmp_path / "out/pointmap.npz") as stored:
        assert stored["crop_left"].tolist() == list(left)
        assert stored["crop_right"].tolist() == list(right)
        assert stored["source_size_left"].tolist() == [400, 300]
        K = result.camera_right.intrinsics
        assert stored["camera_right"].tolist() == [K.fx, K.fy, K.cx, K.cy]


def test_the_pointmaps_are_all_there(tmp_path: Path) -> None:
    result = refined_result()
    write_result(result, tmp_path / "out")
    with np.load(tmp_path / "out/pointmap.npz") as stored:
        assert set(stored) == {*ARRAYS_LEFT, *ARRAYS_RIGHT}
        assert (stored["unit"], stored["verdict"]) == ("m", "measured")
        np.testing.assert_array_equal(stored["left"], result.pointmap_left)
        assert result.pointmap_right is not None
        np.testing.assert_array_equal(stored["right"], result.pointmap_right)


def test_the_networks_own_pointmaps_are_kept_beside_a_refined_ones(tmp_path: Path) -> None:
    result = replace(network_result(), refinement=Refinement(reason="too dark"))
    write_result(result, tmp_path / "out")
    with np.load(tmp_path / "out/pointmap.npz") as stored:
        assert {"network_left", "network_right"} <= set(stored)
        assert result.network is not None
        np.testing.assert_array_equal(stored["network_left"], result.network.pointmap_left)


def test_without_a_right_pointmap_there_is_none_in_the_file(tmp_path: Path) -> None:
    result = replace(network_result(), pointmap_right=None, confidence_right=None)
    write_result(result, tmp_path / "out")
    with np.load(tmp_path / "out/pointmap.npz") as stored:
        assert set(stored) == ARRAYS_LEFT


def test_convention_the_point_cloud_is_in_the_left_cameras_frame(tmp_path: Path) -> None:
    write_result(network_result(), tmp_path / "out")
    header, _, body = (tmp_path / "out/pointcloud.ply").read_bytes().partition(b"end_header\n")
    assert b"comment unit: m" in header
    assert b"comment frame: left camera, x right, y down, z forward" in header
    assert b"element vertex 4096" in header
    first = np.frombuffer(body[:12], "<f4")
    # The top left pixel: left of and above the axis, in front of the camera.
    np.testing.assert_allclose(first, network_result().pointmap_left[0, 0])
    assert (first[0] < 0, first[1] < 0, first[2] > 0) == (True, True, True)


def test_the_report_is_what_is_returned_and_tells_every_files_digest(tmp_path: Path) -> None:
    report = write_result(network_result(), tmp_path / "out")
    folder = tmp_path / "out"
    assert msgspec.json.decode((folder / REPORT_NAME).read_bytes(), type=Report) == report
    assert set(report.files) == PLAIN - {REPORT_NAME}
    for name, record in report.files.items():
        assert record.bytes == (folder / name).stat().st_size
        assert record.sha256 == sha256_of(folder / name)
    assert report.out == str(folder)
    assert report.timings_ms["write"] > 0


def test_the_preview_is_a_picture(tmp_path: Path) -> None:
    write_result(refined_result(), tmp_path / "out")
    picture = cv2.imread(str(tmp_path / "out/preview.png"))
    assert picture is not None
    assert picture.shape[1] > picture.shape[0] > 400


def test_a_pair_that_was_not_refined_says_so_in_its_preview(tmp_path: Path) -> None:
    """One line more than without the wish."""
    kept = replace(network_result(), refinement=Refinement(reason="too dark"))
    heights = []
    for name, result in (("kept", kept), ("off", network_result())):
        write_result(result, tmp_path / name)
        picture = cv2.imread(str(tmp_path / name / "preview.png"))
        assert picture is not None
        heights.append(picture.shape[0])
    assert heights[0] > heights[1]


def test_without_a_plane_there_is_relief_all_the_same(tmp_path: Path) -> None:
    write_result(replace(network_result(), plane=None), tmp_path / "out")
    assert names(tmp_path / "out") == PLAIN


def test_a_file_name_that_is_no_text_does_not_stop_the_preview(tmp_path: Path) -> None:
    result = network_result()
    odd = replace(result.left.source, name="images/pa\udcffir.png")
    report = write_result(replace(result, left=result.left._replace(source=odd)), tmp_path / "out")
    assert report.left.path == "images/pa\\udcffir.png"


def test_an_existing_folder_is_not_touched_unless_asked(tmp_path: Path) -> None:
    write_result(network_result(), tmp_path / "out")
    before = (tmp_path / "out" / REPORT_NAME).read_bytes()
    for refuse in (
        lambda: check_out(tmp_path / "out"),
        lambda: write_result(network_result(), tmp_path / "out"),
    ):
        with pytest.raises(OutputError, match="exists"):
            refuse()
    assert (tmp_path / "out" / REPORT_NAME).read_bytes() == before
    check_out(tmp_path / "out", overwrite=True)
    write_result(refined_result(), tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out") == RESULT_NAMES - LANDING_FILES
    write_result(network_result(), tmp_path / "out", overwrite=True)
    assert names(tmp_path / "out") == PLAIN  # nothing of the last one is left


def test_a_folder_that_holds_anything_else_is_never_overwritten(tmp_path: Path) -> None:
    write_result(network_result(), tmp_path / "out")
    (tmp_path / "out/notes.txt").write_text("mine")
    for refuse in (
        lambda: check_out(tmp_path / "out", overwrite=True),
        lambda: write_result(network_result(), tmp_path / "out", overwrite=True),
    ):
        with pytest.raises(OutputError, match=r"notes\.txt"):
            refuse()
    assert (tmp_path / "out/notes.txt").read_text() == "mine"


def test_a_result_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """Points of another grid than the image's: the cloud is refused half-way through."""
    result = network_result()
    broken = replace(result, pointmap_left=result.pointmap_left[:10])
    with pytest.raises(InputError, match=r"valid must have the pointmap's shape \(10, 64\)"):
        write_result(broken, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_parents_are_made(tmp_path: Path) -> None:
    write_result(network_result(), tmp_path / "a/b/out")
    assert names(tmp_path / "a/b/out") == PLAIN
