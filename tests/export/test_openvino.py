"""Graphs for OpenVINO, judged in OpenVINO itself on this processor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from lunar_export.bundling.options import PrecisionOptions
from lunar_export.commands.export import main
from lunar_export.graph.layers import weight_layers
from lunar_export.judging.gate import accuracy_failures
from lunar_export.judging.reference import Reference
from lunar_export.judging.run_graph import run_bundle
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.lowering.placement import Placement
from lunar_export.lowering.qdq import quantise
from lunar_export.pairs.evaluation import evaluation_pairs
from lunar_runtime import Bundle, default_bundle_path
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.choices import Arithmetic
from lunar_runtime.errors import UsageError
from onnx import helper
from onnx.reference import ReferenceEvaluator

from .small_graphs import model_of

NEEDS_OPENVINO = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed"
)

#: Runs a graph on saved images in a process of its own, whose environment limits the instructions.
_RUN = """
import sys
import numpy as np
from lunar_runtime.backends.openvino.library import import_library
from lunar_runtime.backends.openvino.network import CompiledNetwork, Setting
graph, x, y = sys.argv[1:]
setting = Setting("CPU", "f32", 1)
network = CompiledNetwork.of_graph(import_library(), open(graph, "rb").read(), setting)
assert network.multiplies_integers(), network.products()
np.save(y, network.run({"x": np.load(x)}, ["y"])["y"])
"""


def call(*arguments: object) -> object:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return stopped.value.code


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (PrecisionOptions("bf16", "cpu"), "`precision` bf16 is for target openvino, not cpu"),
        (PrecisionOptions("bf16", "openvino", Path("c")), "`calib` is for layers of several"),
        (PrecisionOptions("fp16", "openvino", plot=Path("p")), "`plot` is for layers of several"),
    ],
)
def test_what_openvino_cannot_do_is_wrong_usage(options: PrecisionOptions, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        options.check()


def test_without_openvino_nothing_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    arguments = ("--untrained", "S0", "--target", "openvino", "--size", 64)
    assert call(*arguments, "--out", tmp_path / "b") == 4
    assert "OpenVINO cannot be imported" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@NEEDS_OPENVINO
def test_a_precision_that_this_processor_lacks_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from lunar_runtime.backends.openvino.library import import_library

    if "FP16" in import_library().capabilities("CPU"):
        pytest.skip("this processor computes in FP16")
    arguments = ("--untrained", "S0", "--target", "openvino", "--precision", "fp16")
    assert call(*arguments, "--out", tmp_path / "b") == 4
    err = capsys.readouterr().err
    assert "does not compute in f16, only in f32" in err and err.count("\n") == 1


@NEEDS_OPENVINO
@pytest.mark.parametrize(("arithmetic", "passes"), [("f32", True), ("bf16", False)])
def test_the_gate_catches_what_openvino_would_compute_in_by_itself(
    arithmetic: Arithmetic, passes: bool
) -> None:
    """S0's slopes shift by .47 deg in bfloat16, where .1 is allowed, and by .000 in float32."""
    from lunar_export.judging.processor import has_bfloat16, run_in_openvino

    if arithmetic == "bf16" and not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    bundle = Bundle.open(default_bundle_path())
    pairs = evaluation_pairs(256, 256, 1)
    reference = SlopeReference.of(Reference(tuple(pairs), tuple(run_bundle(bundle, pairs))))
    found = run_in_openvino(bundle.model_path.read_bytes(), arithmetic, pairs)
    failures = accuracy_failures("bf16", reference.measure(found), reference.fp32)
    assert (failures == ()) == passes
    assert passes or "0.1 is allowed" in failures[0]


@NEEDS_OPENVINO
@pytest.mark.parametrize("instructions", ["AVX2", "DEFAULT"])
@pytest.mark.parametrize("kind", ["Conv", "MatMul"])
@pytest.mark.parametrize("relu", [True, False])
def test_sums_of_products_do_not_saturate_without_vnni(
    tmp_path: Path, instructions: str, kind: str, relu: bool
) -> None:
    """All weights and activations at their largest: without `pairs`, 99 % of the sum was lost."""
    shape = (1, 64, 8, 8) if kind == "Conv" else (1, 64, 64)
    weight = np.ones((64, 64, 3, 3) if kind == "Conv" else (64, 64), np.float32)
    nodes = [
        helper.make_node("Relu" if relu else "Mul", ["x", "c"][: 2 - relu], ["r"], name="a/A"),
        helper.make_node(kind, ["r", "w"], ["y"], name=f"l/{kind}"),
    ]
    constants = {"w": weight} | ({} if relu else {"c": np.array([1.25], np.float32)})
    made = (1, 64, 6, 6) if kind == "Conv" else shape
    model = model_of(nodes, {"x": shape}, {"y": made}, constants)
    placement = Placement(
        tuple(weight_layers(model)),
        frozenset(),
        integer_bias=False,
        unsigned=False,
        kept={},
        positive=True,
        pairs=True,
    )
    quantised = quantise(model, placement, {"r": 1.25})
    x = np.full(shape, 1.25 if relu else 1.0, np.float32)
    onnx.save(quantised, tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", x)
    paths = [tmp_path / name for name in ("m.onnx", "x.npy", "y.npy")]
    surroundings = os.environ | {
        "ONEDNN_MAX_CPU_ISA": instructions,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    subprocess.run([sys.executable, "-c", _RUN, *map(str, paths)], env=surroundings, check=True)
    expected = np.array(next(iter(ReferenceEvaluator(quantised).run(None, {"x": x}))))
    # Half a step of the activation at most: the library may fold scales in another order.
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, rtol=1 / 255)


@NEEDS_OPENVINO
def test_an_int8_bundle_multiplies_in_8_bits_and_auto_runs_it_in_openvino(tmp_path: Path) -> None:
    arguments = ("--untrained", "S0", "--target", "openvino", "--precision", "int8", "--force")
    rest = ("--calib-method", "minmax", "--outputs", "left", "--size", 64, "--threads", 1)
    assert call(*arguments, *rest, "--out", tmp_path / "b") == 0
    manifest = json.loads((tmp_path / "b" / "manifest.json").read_text())
    assert (manifest["target"], manifest["precision"]) == ("openvino", "int8")
    assert manifest["format_version"] == 3 and "openvino" in manifest["versions"]
    assert manifest["reduction"]["gate"]["latency"].startswith("openvino ")
    backend = select_backend(Bundle.open(tmp_path / "b"), threads=1)
    assert backend.name.startswith("openvino ")
    products = backend.network.products()  # type: ignore[attr-defined]
    assert sum(count for kind, count in products.items() if kind in ("u8", "i8")) > 50
    backend.close()
