"""Graphs that must be refused, each for its own reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import onnx
import pytest
from export.small_graphs import MICROSOFT, Array, Shape, model_of
from lunar_export.graph.suitability import check_graph
from lunar_runtime.bundles.choices import Target
from lunar_runtime.errors import BundleError
from onnx import TensorProto, helper


def model(
    nodes: Sequence[onnx.NodeProto],
    *,
    opset: int = 18,
    domain: str = "",
    shape: Shape = (1, 1, 4, 4),
    tensors: Mapping[str, Array] | None = None,
) -> onnx.ModelProto:
    return model_of(nodes, {"x": shape}, {"y": None}, tensors or {}, opset=opset, domain=domain)


def node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, name=f"module/{kind}", **attributes)


def test_a_plain_graph_passes() -> None:
    check_graph(model([node("Relu", ["x"], ["y"])]))


@pytest.mark.parametrize("kind", ["Cos", "Sin", "Shape", "Size", "NonZero"])
def test_what_should_have_been_folded_is_refused_by_name(kind: str) -> None:
    with pytest.raises(BundleError, match=f"module/{kind}"):
        check_graph(model([node(kind, ["x"], ["z"]), node("Relu", ["x"], ["y"])]))


def test_a_branch_is_refused() -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["b"])],
        "b",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, (1, 1, 4, 4))],
    )
    choice = node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    with pytest.raises(BundleError, match="module/If"):
        check_graph(model([choice], tensors={"c": np.array(True)}))


def test_a_cubic_resize_is_refused_and_a_linear_one_passes() -> None:
    scales = {"s": np.array([1, 1, 2, 2], np.float32)}
    for mode in ("cubic", "linear"):
        graph = model([node("Resize", ["x", "", "s"], ["y"], mode=mode)], tensors=scales)
        if mode == "linear":
            check_graph(graph)
            continue
        with pytest.raises(BundleError, match=r"module/Resize \(cubic\)"):
            check_graph(graph)


def test_integer_arithmetic_is_refused() -> None:
    nodes = [
        node("Cast", ["x"], ["i"], to=TensorProto.INT64),
        helper.make_node("Cast", ["i"], ["y"], name="back", to=TensorProto.FLOAT),
    ]
    with pytest.raises(BundleError, match=r"module/Cast \(computes integers\)"):
        check_graph(model(nodes))


def test_a_shape_that_is_not_known_is_refused() -> None:
    with pytest.raises(BundleError, match=r"module/Relu \(shape known only at run time\)"):
        check_graph(model([node("Relu", ["x"], ["y"])], shape=("batch", 1, 4, 4)))


def test_operators_of_one_runtime_are_refused() -> None:
    custom = helper.make_node("Gelu", ["x"], ["z"], name="g", domain=MICROSOFT)
    with pytest.raises(BundleError, match=r"operators of com\.microsoft"):
        check_graph(model([custom, node("Relu", ["x"], ["y"])], domain=MICROSOFT))


def test_an_opset_that_jetpack_6_cannot_read_is_refused() -> None:
    with pytest.raises(BundleError, match="opset 21, over 20"):
        check_graph(model([node("Relu", ["x"], ["y"])], opset=21))


def halves(to: int) -> list[onnx.NodeProto]:
    """x cast to FP16, scaled, cast back."""
    return [
        node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        node("Relu", ["h"], ["r"]),
        helper.make_node("Cast", ["r"], ["y"], name="back", to=to),
    ]


def test_fp16_is_for_graphs_that_say_so() -> None:
    half = model(halves(TensorProto.FLOAT))
    check_graph(half, "fp16")
    check_graph(half, "int8")
    with pytest.raises(BundleError, match=r"module/Cast \(computes float16\); module/Relu"):
        check_graph(half)


def test_int8_is_for_what_a_quantizelinear_gives_in_graphs_that_say_so() -> None:
    tensors: dict[str, Array] = {"scale": np.array(0.1, np.float32), "zero": np.array(0, np.int8)}
    nodes = [
        node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
    ]
    quantised = model(nodes, opset=19, tensors=tensors)
    check_graph(quantised, "int8")
    with pytest.raises(BundleError, match=r"module/QuantizeLinear \(computes integers\)"):
        check_graph(quantised, "fp16")


def test_an_operator_that_tensorrt_10_3_does_not_list_is_refused_by_name() -> None:
    with pytest.raises(BundleError, match=r"module/Det \(Det is not on TensorRT 10\.3's list\)"):
        check_graph(model([node("Det", ["x"], ["y"])]))


def test_onnx_runtime_s_own_operators_are_for_the_cpu_alone() -> None:
    custom = helper.make_node("Gelu", ["x"], ["y"], name="g", domain=MICROSOFT)
    graph = model([custom], domain=MICROSOFT)
    check_graph(graph, "int8", "cpu")
    for target in ("tensorrt", cast(Target, "fpga")):
        with pytest.raises(BundleError, match=r"operators of com\.microsoft"):
            check_graph(graph, "int8", target)


def test_every_reason_is_given_with_the_next_step() -> None:
    with pytest.raises(BundleError) as caught:
        check_graph(model([node("Cos", ["x"], ["z"]), node("Sin", ["z"], ["y"])]))
    assert str(caught.value) == (
        "the traced graph is not fit for TensorRT: module/Cos; module/Sin; use the versions of "
        "torch, onnx and onnxsim that constraints.txt names"
    )
