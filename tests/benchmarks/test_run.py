"""`lunar-bench run`, for real, on S0; its figures are not looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from lunar_bench.cost.in_turn.baselines import load_baseline
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.session import run_side_by_side
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import SCHEMA_PATH, encode_run
from lunar_bench.report.tables import markdown
from lunar_runtime import Bundle, StereoRuntime, default_bundle_path
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import CheckpointError, InputError

from .command_line import run

CHECKPOINT = Path(__file__).parents[2] / "models" / "s0.safetensors"


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA_PATH.read_text())


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(default_bundle_path())


def test_every_stage_of_a_pair_is_measured_and_they_add_up(record: RunRecord) -> None:
    for candidate in record.candidates[:2]:
        stages = candidate.stages
        assert list(stages) == ["decode", "preprocess", "inference", "geometry", "write", "total"]
        parts = [stages[s].rounds_ms for s in list(stages)[:-1]]
        for total, *each in zip(stages["total"].rounds_ms, *parts, strict=True):
            # Between the stages lies the making of the result; the rounding is 1 us each.
            assert sum(each) == pytest.approx(total, abs=0.1)
    baseline = record.candidates[2]
    assert list(baseline.stages) == ["decode", "preprocess", "inference"]
    assert baseline.pairs_per_s is None


def test_bundles_are_compared_with_the_first_and_with_each_baseline(record: RunRecord) -> None:
    first, second, *baselines = (candidate.name for candidate in record.candidates)
    assert baselines == [f"onnxruntime {first}", f"onnxruntime {second}"]
    assert [(c.candidate, c.reference, c.stage) for c in record.comparisons] == [
        (second, first, "inference"),
        (second, first, "total"),
        (first, baselines[0], "inference"),
        (second, baselines[1], "inference"),
    ]
    assert all(c.rounds == 5 and c.interval is not None for c in record.comparisons)


def test_an_unreadable_pair_is_listed_with_its_reason_and_without_its_path(
    record: RunRecord, pairs: Path
) -> None:
    assert list(record.unreadable) == ["im_2.png, im_3.png"]
    assert str(pairs) not in encode_run(record).decode()
    assert "## Pairs that could not be read\n\n- im_2.png, im_3.png: im_3.png:" in markdown(record)


def test_a_bundle_that_failed_its_gate_is_marked_in_every_table(record: RunRecord) -> None:
    sections = markdown(record).split("\n## ")[1:]
    tables = [section for section in sections if "s0-failed" in section]
    assert len(tables) >= 4
    for table in tables:
        for line in table.splitlines():
            if line.startswith("| s0-failed") or " / s0-failed" in line:
                assert "s0-failed (GATE FAILED)" in line


def test_what_the_machine_does_not_measure_is_absent_and_never_zero(record: RunRecord) -> None:
    kinds = {channel.kind for channel in record.telemetry.channels}
    assert kinds | set(record.telemetry.absent) >= {"power", "temperature", "GPU clock"}
    assert not kinds & set(record.telemetry.absent)
    if "power" in record.telemetry.absent:
        assert all(candidate.energy is None for candidate in record.candidates)
        assert "J/pair" not in markdown(record)
    if all(candidate.device == "cpu" for candidate in record.candidates):
        assert all(candidate.device_memory is None for candidate in record.candidates)


def test_no_run_misses_an_endless_deadline(record: RunRecord) -> None:
    for candidate in record.candidates:
        assert candidate.deadline is not None
        assert (candidate.deadline.runs, candidate.deadline.misses) == (5, 0)


def test_the_parts_of_the_graph_add_up(record: RunRecord) -> None:
    parts = dict(record.candidates[0].parts)
    total = parts.pop("total")
    assert {"encoder", "decoder", "heads"} <= set(parts)
    for figure in ("gflop", "weight_mb", "time_ms"):
        # Each is rounded to a thousandth.
        found = sum(getattr(part, figure) for part in parts.values())
        assert found == pytest.approx(getattr(total, figure), abs=0.01)
    bounds = [part.bound_ms for part in parts.values() if part.bound_ms is not None]
    assert total.bound_ms is not None and len(bounds) == len(parts)
    assert total.bound_ms <= sum(bounds) + 0.01
    assert record.peaks is not None
    assert record.peaks.gemm_gflop_per_s.keys() == {"fp32", "int8"}


def test_the_command_prints_what_it_writes_and_exits_0(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = [default_bundle_path(), "--network-only", "--warmup", 0, "--iterations", 1]
    code, text, err = run(capsys, *arguments, "--no-roofline", "--out", out, "--json")
    assert (code, err) == (0, "")
    assert text.encode() == (out / "result.json").read_bytes()


@pytest.mark.usefixtures("one_torch_thread")
def test_eager_pytorch_computes_what_the_bundle_does(bundle: Bundle) -> None:
    baseline = load_baseline("eager-same", bundle, "cpu", 1, CHECKPOINT)
    golden = bundle.golden()
    left, right = golden.left[None, None], golden.right[None, None]
    with StereoRuntime.load(bundle, device="cpu") as runtime:
        expected = runtime._backend.run(left, right)
    names = [output.name for output in bundle.manifest.graph.outputs]
    assert baseline.network is not None
    computed = baseline.network(left, right)
    assert isinstance(computed, list)
    for name, found in zip(names, computed, strict=True):
        assert relative_error(found, expected[name])[0] < 1e-4  # the export's own gate


@pytest.mark.usefixtures("one_torch_thread")
def test_another_checkpoint_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    weights = load_file(CHECKPOINT)
    weights["decoder_embed.bias"] = weights["decoder_embed.bias"] + 1
    save_file(weights, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not the checkpoint of"):
        load_baseline("eager", bundle, "cpu", 1, tmp_path / "other.safetensors")


def test_no_usable_pair_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    for name in ("left", "right"):
        (tmp_path / f"{name}.png").write_bytes(b"none")
    with pytest.raises(InputError, match="none of 1 pairs can be used"):
        run_side_by_side([bundle], MeasureOptions(pairs=tmp_path))


def test_accuracy_results_make_a_plot_of_accuracy_against_time(
    record: RunRecord, tmp_path: Path
) -> None:
    from lunar_bench.record.run import AccuracyPoint
    from lunar_bench.report.plots import draw_plots

    assert record.candidates[0].bundle is not None
    digest = record.candidates[0].bundle.digest
    point = AccuracyPoint(bundle_digest=digest, data="made", medians={"slope_mae_deg": 3.0})
    assert "pareto.png" not in draw_plots(record)
    plots = draw_plots(msgspec.structs.replace(record, accuracy=[point]))
    assert plots["pareto.png"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["run"], 2, "Missing argument 'BUNDLE...'"),
        (["run", "nothing-here"], 3, "nothing-here: no such bundle"),
        (["run", "x", "--iterations", "3", "--duration", "4"], 2, "Give one of --iterations"),
        (["run", "x", "--duration", "0"], 2, "--duration 0: needs to be positive"),
        (["run", "x", "--ckpt", "y"], 2, "--ckpt is for --baseline eager"),
        (["run", "x", "--backend", "tensorrt", "--device", "cpu"], 2, "runs on the GPU"),
        (["run", "x", "--baseline", "magic"], 2, "'magic' is not one of"),
        (["compare", "a.json", "b.json"], 3, "a.json: no such file; check the path"),
        (["compare", "a.json"], 2, "Missing argument 'B.json'"),
        (["report", "a.json", "--out", "o"], 3, "a.json: no such file"),
    ],
)
def test_a_failure_is_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lunar-bench: ") and text in err and err.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_openvino_is_a_backend_whose_precision_the_record_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    options = ["--network-only", "--iterations", 2, "--warmup", 0, "--starts", 0, "--no-roofline"]
    code, out, _ = run(
        capsys, default_bundle_path(), "--backend", "openvino", *options, "--threads", 1, "--json"
    )
    assert code == 0
    assert [c["backend"].split(", ")[1] for c in json.loads(out)["candidates"]] == ["f32"]


def test_openvino_is_no_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, default_bundle_path(), "--baseline", "openvino")
    assert code == 2
    assert "'openvino' is not one of" in err


def test_an_accuracy_result_gives_a_point_for_each_of_its_networks(tmp_path: Path) -> None:
    from lunar_bench.accuracy.points import read_accuracy

    bundle = {"digest": "ab", "name": "s0"}
    methods = [
        {"method": "network", "bundle": bundle, "medians": {"slope_mae_deg": 5.5}, "pairs": []},
        {"method": "fused", "bundle": bundle, "medians": {"slope_mae_deg": 4.0}},
        {"method": "sgbm", "bundle": None, "medians": {}},
    ]
    file = tmp_path / "accuracy.json"
    file.write_text(json.dumps({"data": "StereoLunar", "size": [256, 256], "methods": methods}))
    (point,) = read_accuracy(file)
    assert (point.bundle_digest, point.medians) == ("ab", {"slope_mae_deg": 5.5})
    file.write_text("{}")
    with pytest.raises(InputError, match="not saved by lunar-bench accuracy"):
        read_accuracy(file)


def test_a_network_whose_geometry_fails_is_refused_before_anything_is_measured(
    bundle: Bundle, tmp_path: Path
) -> None:
    # Two images of nothing in common cannot be refined.
    import cv2
    import numpy as np

    for name, noise in zip(
        ("left", "right"), np.random.default_rng(0).integers(0, 256, (2, 256, 256)), strict=True
    ):
        cv2.imwrite(str(tmp_path / f"{name}.png"), noise.astype(np.uint8))
    said: list[str] = []
    options = MeasureOptions(pairs=tmp_path, refine="on", starts=0)
    with pytest.raises(InputError, match=r"no pair gave a result .*network_only"):
        run_side_by_side([bundle], options, tell=said.append)
    assert not any("warming up" in text for text in said)
