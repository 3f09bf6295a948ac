"""lunar-infer from the outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.manifest import GateRecord, Manifest, ReductionRecord
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.report.records import Report
from lunar_runtime.report.result_names import RESULT_NAMES
from numpy.typing import NDArray

from .outcomes import LANDING_FILES, LEFT_FILES, Outcome, names
from .plane_scene import PlaneScene

RIGHT_FILES = {"confidence_right.tif", "depth_right.tif", "slope_right.tif"}
SIGMA_FILES = {  # only of what the images refined
    "depth_sigma.tif",
    "depth_sigma_right.tif",
    "slope_sigma.tif",
    "slope_sigma_right.tif",
}


def test_a_pair_gives_the_promised_files(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    scene: PlaneScene,
) -> None:
    out = tmp_path / "deep" / "out"
    outcome = infer(
        *pair, "--bundle", bundles["both"], "--out", out, "--altitude-m", scene.altitude_m
    )
    assert (outcome.code, outcome.err) == (0, "")
    assert names(out) == LEFT_FILES
    truth = scene.pointmap_left() * scene.metres_per_unit
    # 1e-5: float32 pointmap, and a plane fitted to it.
    np.testing.assert_allclose(read_raster(out / "depth.tif"), truth[..., 2], rtol=1e-5)
    assert np.nanmax(read_raster(out / "slope.tif")) < 0.03  # arccos of a float32 cosine near 1
    with np.load(out / "pointmap.npz") as arrays:
        assert {"left", "right", "confidence_left", "confidence_right", "unit"} <= set(arrays)
        assert arrays["unit"] == "m"
        np.testing.assert_allclose(arrays["left"], truth, rtol=1e-5, atol=0.01)
        assert arrays["left"].dtype == np.float32
    preview = cv2.imread(str(out / "preview.png"))
    assert preview is not None
    assert preview.ndim == 3
    assert b"comment unit: m\n" in (out / "pointcloud.ply").read_bytes()[:300]


def test_both_views_add_the_right_ones_files(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    scene: PlaneScene,
) -> None:
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--view", "both")
    assert names(out) == LEFT_FILES | RIGHT_FILES == RESULT_NAMES - SIGMA_FILES - LANDING_FILES
    # 1e-5: the pose is found from float32 points.
    depth = read_raster(out / "depth_right.tif")
    np.testing.assert_allclose(depth, scene.depth_right(), rtol=1e-5)


def test_a_bundle_that_failed_its_gate_is_told_on_stderr_and_in_the_report(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    make_manifest: Callable[..., Manifest],
    make_gate: Callable[..., GateRecord],
) -> None:
    reduction = ReductionRecord(
        layers=1, kept={}, steps=(0.9,), gate=make_gate("slopes shift by 0.90 deg")
    )
    write_bundle(
        tmp_path / "b",
        make_manifest("left", gate="failed", reduction=reduction),
        {name: bundles["left"] / name for name in ("model.onnx", "golden.npz")},
    )
    told = "it did not pass the accuracy gate of its export (slopes shift by 0.90 deg)"
    for _ in range(2):  # every time
        outcome = infer(*pair, "--bundle", tmp_path / "b", "--out", tmp_path / "o", "--overwrite")
        assert outcome.code == 0
        assert outcome.err == f"lunar-infer: warning: {tmp_path / 'b'}: {told}\n"
        assert f"note   bundle: {told}\n" in outcome.out
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert report["model"]["gate"] == "failed"
    assert f"bundle: {told}" in report["warnings"]


def test_the_right_view_alone_takes_the_plain_names(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    scene: PlaneScene,
) -> None:
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--view", "right")
    assert names(out) == LEFT_FILES
    np.testing.assert_allclose(read_raster(out / "depth.tif"), scene.depth_right(), rtol=1e-5)
    assert json.loads((out / "report.json").read_text())["views"][0]["view"] == "right"


def test_a_left_bundle_leaves_the_right_arrays_out(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["left"], "--out", out)
    with np.load(out / "pointmap.npz") as arrays:
        assert {"left", "confidence_left", "unit"} <= set(arrays)
        assert not [name for name in arrays if "right" in name]


def test_the_default_folder_is_named_after_the_left_image(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    infer(*pair, "--bundle", bundles["left"])
    assert names(tmp_path / "work") == {"left_depth"}


def test_people_are_told_the_unit_and_where_the_files_are(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    scene: PlaneScene,
) -> None:
    out = tmp_path / "out"
    lines = infer(*pair, "--bundle", bundles["both"], "--out", out).out.splitlines()
    because = "the geometry is the network's alone; the focal length is not known"
    assert lines[0].startswith(f"result guessed: {because}")
    assert lines[1].startswith("unit   relative (for metres, give --baseline-m")
    assert str(out) in next(line for line in lines if line.startswith("files"))
    metric = infer(
        *pair, "--bundle", bundles["both"], "--out", out, "--overwrite", "--altitude-m", 600
    ).out
    assert metric.splitlines()[1] == "unit   m (scale from the altitude)"


def test_json_is_the_report_on_one_line(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = infer(*pair, "--bundle", bundles["both"], "--out", out, "--json")
    assert outcome.out.count("\n") == 1
    printed = msgspec.json.decode(outcome.out, type=Report)
    assert printed == msgspec.json.decode((out / "report.json").read_bytes(), type=Report)


def test_the_report_says_how_the_result_came_about(
    infer: Callable[..., Outcome],
    pair: tuple[Path, Path],
    bundles: dict[str, Path],
    tmp_path: Path,
    scene: PlaneScene,
    write_rig: Callable[..., Path],
) -> None:
    metric = scene.right_from_left.copy()
    metric[:3, 3] *= scene.metres_per_unit
    rig = write_rig(
        left={"intrinsics": [80, 80, 32, 32]},
        right_from_left=metric.tolist(),
        up_left=[0, 0, -1],
        attitude_sigma_deg=0.5,
    )
    out = tmp_path / "out"
    altitude = "--altitude-m", scene.altitude_m
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--rig", rig, *altitude)
    report = json.loads((out / "report.json").read_text())
    assert report["status"] == "done"
    assert report["scale"]["source"] == "altitude"
    # 1e-5: plane and pose from float32 points.
    assert report["scale"]["metres_per_unit"] == pytest.approx(1000, rel=1e-5)
    assert report["pose"]["baseline"] == pytest.approx(scene.baseline_m, rel=1e-5)
    assert report["up"]["vector"] == [0, 0, -1]
    assert report["up"]["source"] == "rig"
    assert report["up"]["sigma_deg"] == pytest.approx(0.5 * 2**0.5)  # about two axes
    assert report["verdict"] == "guessed"
    assert report["verdict_reasons"][0] == "the geometry is the network's alone"
    assert report["camera_left"]["source"] == "rig"
    assert report["camera_left"]["image_px"] == [80, 80, 32, 32]
    assert report["model"]["student"] == "plane"
    assert report["model"]["digest"] == sha256_of(bundles["both"] / "manifest.json")
    assert report["left"]["sha256"] == sha256_of(pair[0])
    view = report["views"][0]
    assert view["valid_fraction"] == 1
    assert view["slope_deg"]["p50"] == pytest.approx(12, abs=0.03)
    assert view["steeper_than"] == {"5": 1, "10": 1, "15": 0, "20": 0}
    stages = {"read", "prepare", "self-test", "network", "geometry", "write"}
    assert set(report["timings_ms"]) == stages
    assert set(report["files"]) == LEFT_FILES - {"report.json"}
    for name, record in report["files"].items():
        assert record == {
            "sha256": sha256_of(out / name),
            "bytes": (out / name).stat().st_size,
        }


def test_overwrite_replaces_the_whole_result(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    call = [*pair, "--bundle", bundles["both"], "--out", out]
    infer(*call, "--view", "both")
    assert infer(*call, "--overwrite").code == 0
    assert names(out) == LEFT_FILES
    assert names(tmp_path) == {"left.png", "right.png", "out"}


def test_a_16_bit_pair_of_any_size_is_mapped_and_reported(
    infer: Callable[..., Outcome],
    tmp_path: Path,
    bundles: dict[str, Path],
    make_texture: Callable[..., NDArray[np.uint8]],
) -> None:
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for seed, path in enumerate(paths):
        wide = make_texture(seed, 150, 200).astype(np.uint16) * 16
        path.write_bytes(cv2.imencode(".png", wide)[1].tobytes())
    outcome = infer(*paths, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    report = json.loads(outcome.out)
    assert report["left"]["dtype"] == "uint16"
    assert report["left"]["stretch"] == [0, 4080]
    assert (report["mapping"]["crop_x"], report["mapping"]["crop_width"]) == (0, 200)
    assert (report["mapping"]["grid_width"], report["mapping"]["grid_height"]) == (64, 48)


def test_a_name_that_is_not_utf8_is_no_obstacle(
    infer: Callable[..., Outcome], pair: tuple[Path, Path], bundles: dict[str, Path], tmp_path: Path
) -> None:
    odd = tmp_path / "cr\udcfftère.png"
    try:
        pair[0].rename(odd)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    outcome = infer(odd, pair[1], "--bundle", bundles["left"], "--out", tmp_path / "o", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["left"]["path"].endswith("cr\\udcfftère.png")
    assert infer(odd, odd, "--bundle", bundles["left"], "--out", tmp_path / "p").code == 3
