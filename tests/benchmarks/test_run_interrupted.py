"""`lunar-bench run`, interrupted: what was measured so far is kept."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.session import run_side_by_side
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import SCHEMA_PATH, encode_run, read_run
from lunar_bench.report.folder import write_report
from lunar_bench.report.tables import markdown
from lunar_runtime import Bundle, default_bundle_path

from .command_line import run

CHECKPOINT = Path(__file__).parents[2] / "models" / "s0.safetensors"


@pytest.fixture(scope="module")
def schema() -> Any:
    return json.loads(SCHEMA_PATH.read_text())


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.open(default_bundle_path())


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
