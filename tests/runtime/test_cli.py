"""lunar-infer from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_runtime.bundles.bundle import write_bundle
from lunar_runtime.bundles.manifest import ReductionRecord
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.report.outputs import RESULT_NAMES
from lunar_runtime.report.records import Report

LEFT_FILES = {
    "confidence.tif",
    "depth.tif",
    "pointcloud.ply",
    "pointmap.npz",
    "preview.png",
    "report.json",
    "slope.tif",
}
RIGHT_FILES = {"confidence_right.tif", "depth_right.tif", "slope_right.tif"}
SIGMA_FILES = {  # only of what the images refined
    "depth_sigma.tif",
    "depth_sigma_right.tif",
    "slope_sigma.tif",
    "slope_sigma_right.tif",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_pair_gives_the_promised_files(infer, pair, bundles, tmp_path, scene):
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
        assert set(arrays) == {"left", "right", "confidence_left", "confidence_right"}
        np.testing.assert_allclose(arrays["left"], truth, rtol=1e-5, atol=0.01)
        assert arrays["left"].dtype == np.float32
    assert cv2.imread(str(out / "preview.png")).ndim == 3
    assert b"comment unit: m\n" in (out / "pointcloud.ply").read_bytes()[:300]


def test_both_views_add_the_right_ones_files(infer, pair, bundles, tmp_path, scene):
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--view", "both")
    assert names(out) == LEFT_FILES | RIGHT_FILES == RESULT_NAMES - SIGMA_FILES
    # 1e-5: the pose is found from float32 points.
    depth = read_raster(out / "depth_right.tif")
    np.testing.assert_allclose(depth, scene.depth_right(), rtol=1e-5)


def test_a_bundle_that_failed_its_gate_is_told_on_stderr_and_in_the_report(
    infer, pair, bundles, tmp_path, make_manifest, make_gate
):
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


def test_the_right_view_alone_takes_the_plain_names(infer, pair, bundles, tmp_path, scene):
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--view", "right")
    assert names(out) == LEFT_FILES
    np.testing.assert_allclose(read_raster(out / "depth.tif"), scene.depth_right(), rtol=1e-5)
    assert json.loads((out / "report.json").read_text())["views"][0]["view"] == "right"


def test_a_left_bundle_leaves_the_right_arrays_out(infer, pair, bundles, tmp_path):
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["left"], "--out", out)
    with np.load(out / "pointmap.npz") as arrays:
        assert set(arrays) == {"left", "confidence_left"}


def test_the_default_folder_is_named_after_the_left_image(
    infer, pair, bundles, tmp_path, monkeypatch
):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    infer(*pair, "--bundle", bundles["left"])
    assert names(tmp_path / "work") == {"left_depth"}


def test_people_are_told_the_unit_and_where_the_files_are(infer, pair, bundles, tmp_path, scene):
    out = tmp_path / "out"
    lines = infer(*pair, "--bundle", bundles["both"], "--out", out).out.splitlines()
    assert lines[0].startswith("unit   relative (for metres, give --baseline-m")
    assert str(out) in next(line for line in lines if line.startswith("files"))
    metric = infer(
        *pair, "--bundle", bundles["both"], "--out", out, "--overwrite", "--baseline-m", 600
    ).out
    assert metric.startswith("unit   m (scale from the baseline)\n")


def test_json_is_the_report_on_one_line(infer, pair, bundles, tmp_path):
    out = tmp_path / "out"
    outcome = infer(*pair, "--bundle", bundles["both"], "--out", out, "--json")
    assert outcome.out.count("\n") == 1
    printed = msgspec.json.decode(outcome.out, type=Report)
    assert printed == msgspec.json.decode((out / "report.json").read_bytes(), type=Report)


def test_the_report_says_how_the_result_came_about(
    infer, pair, bundles, tmp_path, scene, write_rig
):
    metric = scene.right_from_left.copy()
    metric[:3, 3] *= scene.metres_per_unit
    rig = write_rig(
        left={"intrinsics": [80, 80, 32, 32]},
        right_from_left=metric.tolist(),
        up_left=[0, 0, -1],
    )
    out = tmp_path / "out"
    infer(*pair, "--bundle", bundles["both"], "--out", out, "--rig", rig)
    report = json.loads((out / "report.json").read_text())
    assert report["status"] == "done"
    assert report["scale"]["source"] == "rig"
    # 1e-5: pose from float32 points.
    assert report["scale"]["metres_per_unit"] == pytest.approx(1000, rel=1e-5)
    assert report["pose"]["baseline"] == pytest.approx(scene.baseline_m, rel=1e-5)
    assert report["up"] == {"vector": [0, 0, -1], "source": "rig"}
    assert report["camera_left"]["source"] == "rig"
    assert report["camera_left"]["image_px"] == [80, 80, 32, 32]
    assert report["model"]["student"] == "plane"
    assert report["model"]["digest"] == sha256_of(bundles["both"] / "manifest.json")
    assert report["left"]["sha256"] == sha256_of(pair[0])
    view = report["views"][0]
    assert view["valid_fraction"] == 1
    assert view["slope_deg"]["p50"] == pytest.approx(12, abs=0.03)
    assert view["steeper_than"] == {"5": 1, "10": 1, "15": 0, "20": 0}
    assert set(report["timings_ms"]) == {"read", "prepare", "network", "geometry", "write"}
    assert set(report["files"]) == LEFT_FILES - {"report.json"}
    for name, record in report["files"].items():
        assert record == {
            "sha256": sha256_of(out / name),
            "bytes": (out / name).stat().st_size,
        }


def test_overwrite_replaces_the_whole_result(infer, pair, bundles, tmp_path):
    out = tmp_path / "out"
    call = [*pair, "--bundle", bundles["both"], "--out", out]
    infer(*call, "--view", "both")
    assert infer(*call, "--overwrite").code == 0
    assert names(out) == LEFT_FILES
    assert names(tmp_path) == {"left.png", "right.png", "out"}


def test_a_16_bit_pair_of_any_size_is_mapped_and_reported(infer, tmp_path, bundles, make_texture):
    paths = tmp_path / "a.png", tmp_path / "b.png"
    for seed, path in enumerate(paths):
        wide = make_texture(seed, 150, 200).astype(np.uint16) * 16
        path.write_bytes(cv2.imencode(".png", wide)[1].tobytes())
    outcome = infer(*paths, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    report = json.loads(outcome.out)
    assert report["left"]["dtype"] == "uint16"
    assert report["left"]["stretch"] == [0, 4080]
    assert report["mapping"]["crop_x"] == 25
    assert report["mapping"]["grid_width"] == 64


def test_a_name_that_is_not_utf8_is_no_obstacle(infer, pair, bundles, tmp_path):
    odd = tmp_path / "cr\udcfftère.png"
    try:
        pair[0].rename(odd)
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes no such name")
    outcome = infer(odd, pair[1], "--bundle", bundles["left"], "--out", tmp_path / "o", "--json")
    assert outcome.code == 0
    assert json.loads(outcome.out)["left"]["path"].endswith("cr\\udcfftère.png")
    assert infer(odd, odd, "--bundle", bundles["left"], "--out", tmp_path / "p").code == 3


def test_verbose_logs_stages_to_stderr(pair, bundles, tmp_path):
    options = ["--bundle", bundles["left"], "--out", tmp_path / "o", "-v"]
    done = run_apart("main()", *pair, *options)
    assert done.returncode == 0
    assert "lunar_runtime.inference.pipeline: network: " in done.stderr


# --- many pairs ---------------------------------------------------------------------------------


@pytest.fixture
def sequence(tmp_path, make_texture):
    """Eleven frames and one: im_10 comes after im_2 only if numbers are read as numbers."""
    folder = tmp_path / "sequence"
    folder.mkdir()
    for i in range(12):
        (folder / f"im_{i}.png").write_bytes(cv2.imencode(".png", make_texture(i))[1].tobytes())
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_a_folder_of_alternating_images_is_many_pairs(infer, sequence, bundles, tmp_path):
    out = tmp_path / "out"
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert names(out) == {f"im_{i}" for i in range(0, 12, 2)}
    assert outcome.out.splitlines()[-1] == f"6 of 6 pairs done, in {out}"
    report = json.loads((out / "im_10" / "report.json").read_text())
    assert report["right"]["path"].endswith("im_11.png")


def test_subfolders_left_and_right_are_paired_in_order(infer, sequence, bundles, tmp_path):
    for side in ("left", "right"):
        (sequence / side).mkdir()
    for i in range(4):
        side = "left" if i < 2 else "right"
        (sequence / f"im_{i}.png").rename(sequence / side / f"{i}.png")
    infer(sequence, "--bundle", bundles["left"], "--out", tmp_path / "out")
    assert names(tmp_path / "out") == {"0", "1"}
    report = json.loads((tmp_path / "out" / "1" / "report.json").read_text())
    assert report["right"]["path"].endswith("3.png")


def test_a_table_names_images_rigs_and_results(infer, sequence, bundles, tmp_path, write_rig):
    rig = write_rig(left={"intrinsics": [80, 80, 32, 32]})
    table = sequence / "pairs.csv"
    table.write_text(
        f"right, left,rig,out\nim_1.png,im_0.png,{rig},first\n\nim_3.png,im_2.png,,\n",
        encoding="utf-8-sig",
    )
    outcome = infer(table, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    first, second = (json.loads(line) for line in outcome.out.splitlines())
    assert first["out"] == str(tmp_path / "out" / "first")
    assert first["camera_left"]["source"] == "rig"
    assert second["out"] == str(tmp_path / "out" / "im_2")
    assert second["camera_left"]["source"] == "estimated"


def test_one_bad_pair_does_not_stop_the_others(infer, sequence, bundles, tmp_path):
    (sequence / "im_5.png").write_bytes(b"")
    out = tmp_path / "out"
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", out)
    assert outcome.code == 3
    assert names(out) == {"im_0", "im_2", "im_6", "im_8", "im_10"}
    assert outcome.out.splitlines()[-1] == f"5 of 6 pairs done, in {out}"
    first, last = outcome.err.splitlines()
    assert first.startswith(f"lunar-infer: {sequence / 'im_4.png'}: ")
    assert first.endswith("im_5.png: is empty; copy it again")
    assert last == "lunar-infer: 1 of 6 pairs failed"


def test_json_of_many_pairs_has_a_line_for_the_bad_one_too(infer, sequence, bundles, tmp_path):
    (sequence / "im_0.png").write_bytes(b"")
    outcome = infer(sequence, "--bundle", bundles["left"], "--out", tmp_path / "out", "--json")
    reports = [json.loads(line) for line in outcome.out.splitlines()]
    assert [report["status"] for report in reports] == ["failed"] + ["done"] * 5
    assert "is empty" in reports[0]["error"]
    assert outcome.code == 3


def test_results_that_are_there_fail_their_pair_alone(infer, sequence, bundles, tmp_path):
    call = [sequence, "--bundle", bundles["left"], "--out", tmp_path / "out"]
    (tmp_path / "out" / "im_2").mkdir(parents=True)
    outcome = infer(*call)
    assert outcome.code == 3
    assert "im_2: exists already; add --overwrite" in outcome.err
    assert infer(*call, "--overwrite").code == 0


def test_wrong_usage_stops_a_batch_before_its_first_pair(infer, sequence, bundles, tmp_path):
    outcome = infer(
        sequence, "--bundle", bundles["left"], "--view", "right", "--out", tmp_path / "o"
    )
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "o").exists()


# --- what is loaded -----------------------------------------------------------------------------


def run_apart(call: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a Python of its own."""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from lunar_runtime.commands.infer import main; {call}",
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        env=APART,
        check=False,
    )


#: Where this Python finds its packages, and nothing else of the surroundings.
APART = {"PYTHONPATH": os.pathsep.join(sys.path), "PATH": ""}


def test_help_loads_nothing_but_click():
    heavy = {"numpy", "cv2", "msgspec", "onnxruntime", "rich"}
    call = (
        "import sys, atexit; "
        f"atexit.register(lambda: print('loaded:', sorted({heavy} & set(sys.modules)))); "
        "main(['--help'])"
    )
    done = run_apart(call)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: lunar-infer [OPTIONS] LEFT [RIGHT]")
    assert done.stdout.endswith("loaded: []\n")


def test_a_whole_run_loads_neither_torch_nor_onnx(pair, bundles, tmp_path):
    forbidden = {"torch", "onnx", "onnxsim", "onnxscript", "scipy", "matplotlib", "safetensors"}
    call = (
        "import sys, atexit; "
        f"atexit.register(lambda: print('loaded:', sorted({forbidden} & set(sys.modules)))); "
        "main()"
    )
    arguments = [*pair, "--bundle", bundles["both"], "--out", tmp_path / "o", "--view", "both"]
    done = run_apart(call, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("loaded: []\n")
    assert done.stderr == ""


def test_a_bug_shows_its_traceback_and_exits_1(pair, bundles, tmp_path):
    module = "lunar_runtime.inference.pipeline"
    call = f"import {module} as p; p.solve_geometry = lambda *_, **__: 1 / 0; main()"
    done = run_apart(call, *pair, "--bundle", bundles["left"], "--out", tmp_path / "o")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert not (tmp_path / "o").exists()


def test_an_interrupt_is_one_line_and_leaves_nothing(infer, pair, bundles, tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "lunar_runtime.report.outputs.write_ply", interrupt
    )  # half of the files are there
    outcome = infer(*pair, "--bundle", bundles["left"], "--out", tmp_path / "deep" / "o")
    assert (outcome.code, outcome.err) == (130, "lunar-infer: interrupted\n")
    assert names(tmp_path) == {"left.png", "right.png"}


def test_a_full_disk_is_one_line_and_leaves_nothing(infer, pair, bundles, tmp_path, monkeypatch):
    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lunar_runtime.report.outputs.write_ply", fill)
    outcome = infer(*pair, "--bundle", bundles["left"], "--out", tmp_path / "o")
    assert outcome.code == 3
    assert outcome.err.endswith("o: cannot write (No space left on device); choose another place\n")
    assert outcome.err.count("\n") == 1
    assert names(tmp_path) == {"left.png", "right.png"}


def test_a_reader_that_leaves_early_is_no_error(pair, bundles, tmp_path):
    command = [
        sys.executable, "-c", "from lunar_runtime.commands.infer import main; main()",
        *map(str, pair), "--bundle", str(bundles["left"]), "--out", str(tmp_path / "o"),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=APART,
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0
    assert names(tmp_path / "o") == LEFT_FILES


def test_the_package_names_its_api_and_loads_it_lazily():
    import lunar_runtime

    for name in lunar_runtime.__all__:
        assert getattr(lunar_runtime, name).__name__ == name
        assert name in dir(lunar_runtime)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lunar_runtime.nothing


EXAMPLE = Path(__file__).parents[2] / "examples" / "pair"


def test_geometry_alone_needs_no_bundle_and_gives_expected_errors(infer, tmp_path):
    out = tmp_path / "out"
    images = EXAMPLE / "left.png", EXAMPLE / "right.png"
    outcome = infer(*images, "--rig", EXAMPLE / "rig.json", "--geometry-only", "--out", out)
    assert (outcome.code, outcome.err) == (0, "")
    assert names(out) == LEFT_FILES | {"depth_sigma.tif", "slope_sigma.tif"}
    report = json.loads((out / "report.json").read_text())
    assert report["model"] is None
    assert report["refinement"]["views"]["left"]["fraction"] > 0.8
    assert report["scale"]["unit"] == "m"  # the rig's baseline


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--refine", "off"), "leave out --refine off"),
        (("--bundle", "b"), "leave out --bundle"),
        ((), "--intrinsics"),
    ],
)
def test_geometry_alone_says_what_it_cannot_do_with(options, said, infer, tmp_path):
    images = EXAMPLE / "left.png", EXAMPLE / "right.png"
    outcome = infer(*images, "--geometry-only", *options, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert said in outcome.err
    assert not (tmp_path / "out").exists()


def test_threads_hold_for_opencv_too(infer, pair, bundles, tmp_path):
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        outcome = infer(
            *pair, "--bundle", bundles["both"], "--out", tmp_path / "out", "--threads", 1
        )
        assert (outcome.code, cv2.getNumThreads()) == (0, 1)
    finally:
        cv2.setNumThreads(before)
