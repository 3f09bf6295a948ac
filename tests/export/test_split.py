"""Two graphs instead of one: the same network, held to the same gate."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from export.comparison import assert_equal, expected, grey
from export.conftest import Small, lively, small_config
from lunar_export import ExportOptions, export_bundle
from lunar_export.bundling.options import PrecisionOptions
from lunar_export.commands.export import main
from lunar_export.graph.traced import trace_student
from lunar_runtime import Bundle
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.backends.split import SplitBackend
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.errors import GateError, UsageError
from lunar_student import Student, build_student

SIZE = 64


def export(student: Student, out: Path, outputs: OutputSet, **more: object) -> Bundle:
    options = ExportOptions(outputs, SIZE, SIZE, threads=1, split=True)
    return export_bundle(student, out, options, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "member, outputs", [("S0", "both"), ("S0", "left"), ("S1", "left"), ("S2", "all")]
)
def test_both_graphs_together_are_the_network(
    small: Small, tmp_path: Path, member: str, outputs: OutputSet
) -> None:
    bundle = export(small(member), tmp_path / "b", outputs)
    backend = select_backend(bundle, "onnxruntime", "cpu", 1, keep_views=2)
    left, right = grey(SIZE, SIZE, 1), grey(SIZE, SIZE, 2)
    assert_equal(backend.run(left, right), expected(small(member), left, right, outputs))
    assert_equal(backend.run(right, left), expected(small(member), right, left, outputs))
    assert isinstance(backend, SplitBackend)
    assert (backend.feature_record.encoded, backend.feature_record.reused) == (2, 2)
    graph = bundle.manifest.graph
    assert graph.encoder is not None
    features = {record.name: record.shape for record in graph.encoder.features}
    assert features["tokens"] == (1, 64, 4, 4)
    assert ("skip_2" in features) == (member == "S0")
    taken = [record.name for record in graph.encoder.taken]
    assert ("skip_2_right" in taken) == (member == "S0" and outputs != "left")
    assert max(p.max_relative_error for p in bundle.manifest.parity.outputs.values()) < 1e-4


def test_graphs_of_another_network_are_refused(small: Small, tmp_path: Path) -> None:
    torch.manual_seed(7)
    other = lively(build_student(small_config("S1")), seed=7)
    work = tmp_path / "work"
    work.mkdir()
    traced = trace_student(other, "left", SIZE, SIZE, work, split=True)
    with pytest.raises(GateError, match="the graph differs from the network"):
        export(small("S1"), tmp_path / "b", "left", traced=traced)
    assert not (tmp_path / "b").exists()
    with pytest.raises(UsageError, match="`traced` and `split` disagree on the number of graphs"):
        export_bundle(small("S1"), tmp_path / "b", ExportOptions("left", SIZE, SIZE), traced=traced)


@pytest.mark.parametrize(
    "options, text",
    [
        (
            ExportOptions("left", SIZE, SIZE, PrecisionOptions("fp16"), split=True),
            "`split` is for precision fp32, not fp16: a lower precision is judged as one graph",
        ),
        (
            ExportOptions("left", SIZE, SIZE, profile="sonnx", split=True),
            "`profile` sonnx is of one graph; leave out `split`",
        ),
    ],
)
def test_what_is_of_one_graph_is_refused(options: ExportOptions, text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        options.check()
    assert text in str(refusal.value)


def test_the_command_says_what_a_view_takes(
    checkpoint: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--ckpt", checkpoint, "--size", SIZE, "--split", "--engine", "never"]
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--threads", "1", "--out", str(tmp_path / "b")])
    out, err = capfd.readouterr()
    assert (ended.value.code or 0) == 0, err
    assert "\nsplit    encoder and decoder; features of a view: 0.2 MB\n" in out
    with pytest.raises(SystemExit) as ended:
        main([*map(str, arguments), "--triton", str(tmp_path), "--out", str(tmp_path / "c")])
    assert ended.value.code == 2
    assert "--triton serves one graph; leave out --split" in capfd.readouterr().err
