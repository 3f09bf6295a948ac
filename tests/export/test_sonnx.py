"""Graphs of the safety-related profile compute the same, and whoever breaks a rule is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from export.conftest import COLUMNS, ROWS, Small, TracedSmall
from export.small_graphs import Array, kinds, model_of, noise, run
from lunar_export import ExportOptions, export_bundle
from lunar_export.bundling.options import PrecisionOptions
from lunar_export.graph.sonnx_set import OPERATORS
from lunar_export.graph.traced import Traced
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_export.judging.sonnx import check_sonnx, require_sonnx
from lunar_export.lowering.explicit import say_everything
from lunar_export.lowering.plain_operators import write_plainly
from lunar_export.lowering.to_sonnx import to_sonnx
from lunar_runtime.bundles.choices import OutputSet
from lunar_runtime.errors import GateError, UsageError
from onnx import TensorProto, helper

SAID = {"target": "cpu", "checkpoint_sha256": "0" * 64}


@pytest.fixture(scope="module", params=["S0", "S1", "S2"])
def pair_of_graphs(request: pytest.FixtureRequest, traced: TracedSmall) -> tuple[Traced, Traced]:
    outputs: OutputSet = "both" if request.param == "S0" else "all"
    graph = traced(request.param, outputs, ROWS, COLUMNS)
    return graph, to_sonnx(graph, SAID)


@pytest.fixture(scope="module")
def model(traced: TracedSmall) -> onnx.ModelProto:
    return to_sonnx(traced("S0", "both", ROWS, COLUMNS), SAID).model


def unmet(model: onnx.ModelProto) -> set[str]:
    return {found.id for found in check_sonnx(model) if found.required and not found.met}


def test_the_rewritten_graph_computes_what_the_network_does(
    pair_of_graphs: tuple[Traced, Traced],
) -> None:
    grey = np.random.default_rng(0).integers(0, 256, (2, 1, 1, ROWS, COLUMNS), np.uint8)
    feeds: dict[str, Array] = {"left": grey[0], "right": grey[1]}
    want, got = (run(graph.model, feeds) for graph in pair_of_graphs)
    for name, values in want.items():
        scale = np.abs(values).mean()
        np.testing.assert_allclose(
            got[name], values, rtol=FP32_TOLERANCE, atol=FP32_TOLERANCE * scale
        )


def test_every_required_requirement_is_met(pair_of_graphs: tuple[Traced, Traced]) -> None:
    before, after = pair_of_graphs
    assert unmet(before.model) >= {"REQ-OP-000", "REQ-OP-070", "REQ-FO-020", "REQ-FO-040"}
    assert unmet(after.model) == set()
    assert set(kinds(after.model)) <= OPERATORS


def test_the_same_network_gives_the_same_bytes(traced: TracedSmall) -> None:
    graph = traced("S0", "both", ROWS, COLUMNS)
    assert to_sonnx(graph, SAID).model.SerializeToString(deterministic=True) == to_sonnx(
        graph, dict(reversed(SAID.items()))
    ).model.SerializeToString(deterministic=True)


@pytest.mark.parametrize(
    ("operator", "shape", "attributes", "tensors"),
    [
        ("LayerNormalization", (2, 5, 6), {"axis": 1}, {"s": (5, 6), "b": (5, 6)}),
        ("LayerNormalization", (2, 5, 6), {"epsilon": 0.1}, {"s": (6,), "b": (6,)}),
        ("InstanceNormalization", (2, 3, 4, 5), {}, {"s": (3,), "b": (3,)}),
        ("LpNormalization", (2, 3, 4), {"axis": 1}, {}),
        ("HardSigmoid", (2, 30), {}, {}),
        ("HardSigmoid", (2, 30), {"alpha": 1 / 6}, {}),
        ("DepthToSpace", (2, 8, 3, 5), {"blocksize": 2}, {}),
        ("DepthToSpace", (2, 8, 3, 5), {"blocksize": 2, "mode": "CRD"}, {}),
    ],
)
def test_an_operator_is_written_with_others(
    operator: str,
    shape: tuple[int, ...],
    attributes: dict[str, Any],
    tensors: dict[str, tuple[int, ...]],
) -> None:
    node = helper.make_node(operator, ["x", *tensors], ["y"], "module/it", **attributes)
    stored = {name: noise(name, *dims) for name, dims in tensors.items()}
    graph = onnx.shape_inference.infer_shapes(model_of([node], {"x": shape}, {"y": None}, stored))
    data = 3 * noise("x", *shape)
    if operator == "LpNormalization":
        data[0, :, 1] = 0  # of no length: it stays zero
    want = run(graph, {"x": data}, optimised=False)["y"]
    assert write_plainly(graph) == {operator: 1}
    say_everything(graph)
    onnx.checker.check_model(graph, full_check=True)
    assert set(kinds(graph)) <= OPERATORS
    got = run(graph, {"x": data}, optimised=False)["y"]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_a_length_is_a_root_of_a_sum_of_squares(keepdims: int) -> None:
    node = helper.make_node("ReduceL2", ["x", "axes"], ["y"], "m/it", keepdims=keepdims)
    stored: dict[str, Array] = {"axes": np.array([-1])}
    graph = onnx.shape_inference.infer_shapes(
        model_of([node], {"x": (2, 3, 4)}, {"y": None}, stored)
    )
    want = run(graph, {"x": noise("x", 2, 3, 4)})["y"]
    write_plainly(graph)
    np.testing.assert_allclose(run(graph, {"x": noise("x", 2, 3, 4)})["y"], want, rtol=1e-6)


def _drop_attribute(model: onnx.ModelProto) -> None:
    del next(n for n in model.graph.node if n.op_type == "Softmax").attribute[:]


def _drop_type(model: onnx.ModelProto) -> None:
    del model.graph.value_info[7]


def _say_another_shape(model: onnx.ModelProto) -> None:
    model.graph.value_info[7].type.tensor_type.shape.dim[0].dim_value = 77


def _exchange_nodes(model: onnx.ModelProto) -> None:
    nodes = [model.graph.node[i] for i in (5, 4)]
    first, second = (copy.deepcopy(node) for node in nodes)
    model.graph.node[4].CopyFrom(first)
    model.graph.node[5].CopyFrom(second)


def _leave_unread(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Relu", ["left"], ["nobody"], "nobody"))


def _second_version(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("", 17))


def _foreign(model: onnx.ModelProto) -> None:
    model.graph.node[6].op_type = "Gelu"


def _spoil(model: onnx.ModelProto) -> None:
    tensor = next(t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT)
    tensor.raw_data = b"\x00\x00\xc0\x7f" + tensor.raw_data[4:]  # NaN


def _cut(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]


def _say_nothing(model: onnx.ModelProto) -> None:
    del model.metadata_props[:]
    model.graph.output[0].doc_string = ""


@pytest.mark.parametrize(
    ("breach", "broken"),
    [
        (_drop_attribute, "REQ-OP-070"),
        (_drop_type, "REQ-GR-000"),
        (_say_another_shape, "REQ-GR-000"),
        (_exchange_nodes, "REQ-GR-000"),
        (_leave_unread, "REQ-GR-000"),
        (_second_version, "REQ-FO-020"),
        (_foreign, "REQ-OP-000"),
        (_spoil, "REQ-FO-030"),
        (_cut, "REQ-FO-010"),
        (_say_nothing, "REQ-FO-050"),
        (_say_nothing, "REQ-FO-040"),
    ],
)
def test_a_breach_is_found(
    model: onnx.ModelProto, breach: Callable[[onnx.ModelProto], None], broken: str
) -> None:
    changed = copy.deepcopy(model)
    breach(changed)
    assert broken in unmet(changed)
    with pytest.raises(GateError, match=broken):
        require_sonnx(changed)


def test_a_bundle_of_the_profile_runs_and_says_where_it_comes_from(
    small: Small, traced: TracedSmall, tmp_path: Path
) -> None:
    graph = traced("S0", "both", ROWS, COLUMNS)
    options = ExportOptions("both", ROWS, COLUMNS, profile="sonnx")
    bundle = export_bundle(small("S0"), tmp_path / "b", options, traced=graph)
    assert bundle.manifest.gate == "passed"
    model = onnx.load(tmp_path / "b" / "model.onnx")
    require_sonnx(model)
    said = {prop.key: prop.value for prop in model.metadata_props}
    assert said["lunar_edge.student"] == bundle.manifest.student.id
    assert '"Conv": 11' in said["lunar_edge.operator_versions"]


def test_a_lower_precision_has_no_profile() -> None:
    options = ExportOptions(precision=PrecisionOptions("int8"), profile="sonnx")
    with pytest.raises(UsageError, match="`profile` sonnx has no operators of lower precision"):
        options.check()
