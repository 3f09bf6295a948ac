"""`lunar-bench run`, for real, on S0; its figures are not looked at."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from lunar_bench.cost.in_turn.baselines import load_baseline
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.session import run_side_by_side
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import SCHEMA_PATH, encode_run, encode_schema, read_run
from lunar_bench.report.folder import write_report
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


def test_the_published_schema_is_that_of_the_record() -> None:
    assert SCHEMA_PATH.read_bytes() == encode_schema(), "write it anew: lunar-bench schema > …"


def test_a_result_is_valid_against_the_published_schema(
    run_folder: Path, schema: dict[str, Any]
) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads((run_folder / "result.json").read_text()), schema)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda r: r.pop("noise"),
        lambda r: r.update(status="done"),
        lambda r: r["candidates"][0]["stages"]["inference"].update(p90_ms="fast"),
        lambda r: r.update(surprise=1),
    ],
)
def test_the_schema_refuses_what_is_no_result(
    run_folder: Path, schema: dict[str, Any], spoil: Callable[[dict[str, Any]], object]
) -> None:
    result = json.loads((run_folder / "result.json").read_text())
    spoil(result)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(result, schema)


def test_a_result_survives_its_file(run_folder: Path) -> None:
    record = read_run(run_folder)
    assert encode_run(record) == (run_folder / "result.json").read_bytes()


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


def test_the_page_holds_everything_itself(run_folder: Path) -> None:
    page = (run_folder / "report.html").read_text()
    names = {path.name for path in run_folder.iterdir()}
    assert {"result.json", "report.md", "report.html", "latency.png", "stages.png"} <= names
    plots = [name for name in names if name.endswith(".png")]
    assert page.count("data:image/png;base64,") == len(plots)
    assert "http" not in page and "<script" not in page and "<link" not in page
    assert "NOISY RUN" not in page or 'class="warning"' in page


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard: a shell's background job, as CI may run this in, starts out deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_an_interrupted_run_leaves_a_valid_partial_result(
    bundle: Bundle, schema: dict[str, Any], tmp_path: Path
) -> None:
    def tell(what: str) -> None:
        if what.startswith("round 3,"):
            signal.raise_signal(signal.SIGINT)

    options = MeasureOptions(network_only=True, warmup_s=0.1, sustained_min=60.0)
    record = run_side_by_side([bundle], options, tell=tell)
    assert record.status == "partial"
    assert record.candidates[0].stages["inference"].count == 2
    assert write_report(record, tmp_path / "out") is None
    jsonschema.validate(json.loads((tmp_path / "out/result.json").read_text()), schema)
    assert (tmp_path / "out/report.md").read_text().startswith("# lunar-bench run (PARTIAL")


@pytest.mark.usefixtures("heard")
def test_interrupted_before_the_first_round_it_is_valid_too(
    bundle: Bundle, schema: dict[str, Any]
) -> None:
    def tell(what: str) -> None:
        if what.startswith("warming up, round 1"):
            signal.raise_signal(signal.SIGINT)

    options = MeasureOptions(network_only=True, iterations=5, baselines=("onnxruntime",))
    record = run_side_by_side([bundle], options, tell=tell)
    assert record.status == "partial"
    assert all(candidate.stages == {} for candidate in record.candidates)
    jsonschema.validate(json.loads(encode_run(record)), schema)
    assert "PARTIAL" in markdown(record)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("signals", [1, 2])
def test_an_interrupted_command_exits_130_and_writes_its_folder(
    signals: int,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lunar_bench.report import folder
    from lunar_bench.sensors.noise_meter import NoiseMeter

    if signals == 2:  # the second one comes while the result is being written

        def encode_late(record: RunRecord) -> bytes:
            signal.raise_signal(signal.SIGINT)
            return encode_run(record)

        monkeypatch.setattr(folder, "encode_run", encode_late)

    rounds: list[int] = []
    probe_once = NoiseMeter.probe

    def probe(meter: NoiseMeter) -> None:
        probe_once(meter)
        rounds.append(1)
        if len(rounds) == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(NoiseMeter, "probe", probe)
    out = tmp_path / "out"
    arguments = [default_bundle_path(), "--network-only", "--warmup", 0.1, "--sustained", 9]
    code, text, _ = run(capsys, *arguments, "--out", out)
    assert code == 130
    assert text.startswith("# lunar-bench run (PARTIAL")
    assert read_run(out).status == "partial"


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
        (["compare", "a.json", "b.json"], 3, "a.json: cannot be read (No such file"),
        (["compare", "a.json"], 2, "Missing argument 'B.json'"),
        (["report", "a.json", "--out", "o"], 3, "a.json: cannot be read"),
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


def test_results_that_are_there_are_not_overwritten(
    capsys: pytest.CaptureFixture[str], run_folder: Path
) -> None:
    code, _, err = run(capsys, "run", default_bundle_path(), "--out", run_folder)
    assert code == 3
    assert "exists already; set --overwrite" in err


def test_a_report_is_made_again_from_its_json(
    capsys: pytest.CaptureFixture[str], run_folder: Path, tmp_path: Path
) -> None:
    code, out, _ = run(capsys, "report", run_folder, "--out", tmp_path / "again")
    assert (code, out) == (0, f"{tmp_path / 'again'}\n")
    again = (tmp_path / "again/report.md").read_bytes()
    assert again == (run_folder / "report.md").read_bytes()


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "schema")
    assert code == 0
    assert out.encode() == SCHEMA_PATH.read_bytes()


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


def test_committed_results_are_valid_against_the_schema(schema: dict[str, Any]) -> None:
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    files = sorted(results.glob("run_*/result.json"))
    assert files
    for file in files:
        jsonschema.validate(json.loads(file.read_text()), schema)
        assert markdown(read_run(file)) == (file.parent / "report.md").read_text()
