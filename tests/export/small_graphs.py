"""Graphs of a few nodes whose numbers can be followed, and what ONNX Runtime makes of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array: TypeAlias = NDArray[Any]
#: None where ONNX is to find it out.
Shape: TypeAlias = "Sequence[int | str] | None"

MICROSOFT = "com.microsoft"


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    tensors: Mapping[str, Array],
    *,
    kind: int = TensorProto.FLOAT,
    opset: int = 18,
    domain: str = "",
) -> onnx.ModelProto:
    """A graph of such nodes.

    Args:
        nodes: In order of execution.
        inputs: By name.
        outputs: By name, float32.
        tensors: Constants by name.
        kind: Element type of the inputs.
        opset: Of ONNX's own operators.
        domain: Of other operators, if there are some.
    """
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(
    model: onnx.ModelProto, feeds: Mapping[str, Array], *extra: str, optimised: bool = True
) -> dict[str, Array]:
    """A graph's outputs by name, and those of its values that are named besides."""
    changed = copy.deepcopy(model)
    for name in extra:
        kind = TensorProto.UINT8 if name.endswith("/quantised") else TensorProto.FLOAT
        changed.graph.output.append(helper.make_tensor_value_info(name, kind, None))
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        changed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    """A graph's constants by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def set_constant(model: onnx.ModelProto, name: str, values: Array) -> None:
    """Give a constant other values, in place."""
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values), name))


def parameter_count(model: onnx.ModelProto) -> int:
    """Floating-point numbers stored in a graph."""
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    stored = [t for t in model.graph.initializer if t.data_type in floats]
    return sum(int(np.prod(t.dims, dtype=np.int64)) for t in stored)


def kinds(model: onnx.ModelProto) -> list[str]:
    """Operators in order of execution."""
    return [node.op_type for node in model.graph.node]
