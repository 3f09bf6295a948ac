"""Where the activations of a graph are watched: the sums of its branches.

A residual network adds what a block made to what went in. Whatever was huge on the way is so in
such a sum, and in the sums behind it. Of 33 harmful flips of a bit, at 24 points all over S0, these
sums see all; so do 24 points before other nodes, for twice the time.
"""

from __future__ import annotations

import math
from collections import defaultdict

import onnx
from onnx import TensorProto

from lunar_export.graph.shapes import infer_types

_LEAST = 1024  # values: what is smaller is no map, and costs a call as well
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16)


def cut_points(model: onnx.ModelProto) -> list[str]:
    """Tensors to watch, in the order of the graph.

    A sum that goes through a ReLU alone is watched behind it: libraries make one operation of both.
    Rotations of queries and keys are sums of two products, and are left out.

    Args:
        model: Not changed.
    """
    sizes = _sizes(model)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    takers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in model.graph.node:
        for name in node.input:
            takers[name].append(node)
    found = []
    for node in model.graph.node:
        if node.op_type != "Add" or min(sizes.get(name, 0) for name in node.input) < _LEAST:
            continue
        if all(makers.get(name) == "Mul" for name in node.input):
            continue
        (name,) = node.output
        behind = takers[name]
        if len(behind) == 1 and behind[0].op_type == "Relu":
            (name,) = behind[0].output
        if sizes.get(name, 0) >= _LEAST:
            found.append(name)
    return found


def _sizes(model: onnx.ModelProto) -> dict[str, int]:
    """How many values each tensor has that a node computes in floating point."""
    return {
        name: math.prod(d.dim_value for d in kind.tensor_type.shape.dim)
        for name, kind in infer_types(model).items()
        if kind.tensor_type.elem_type in _FLOATS
    }
