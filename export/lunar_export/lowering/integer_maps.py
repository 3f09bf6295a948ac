"""Feature maps that ONNX Runtime's CPU kernels keep in integers from one convolution to the next.

An integer convolution wants integers in and out. Between two of them lie Relus, sums and
interpolations; each has an integer kernel too, if what it reads and what it writes is quantised.
Without that a map of 128 x 512 x 512 is written and read as float32 for every one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx

from lunar_export.graph.layers import Layer


@dataclass(frozen=True)
class IntegerMaps:
    """What is quantised where it is made.

    Attributes:
        tensors: Feature maps.
        scale_of: Map -> the map whose scale it has: interpolation stays between its inputs.
        lifted: Convolutions that give half a step more, because what follows rounds down:
            ONNX Runtime's interpolation of integers.
    """

    tensors: frozenset[str]
    scale_of: dict[str, str]
    lifted: frozenset[str]


def integer_maps(model: onnx.ModelProto, layers: Sequence[Layer]) -> IntegerMaps:
    """Follow the integers from the quantised convolutions on.

    Args:
        model: The graph.
        layers: Those that are quantised.
    """
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    convolutions = {layer.node for layer in layers if layer.kind == "Conv"}
    read = {layer.data for layer in layers if layer.kind == "Conv"}
    liftable = {layer.output: layer.node for layer in layers if layer.kind == "Conv" and layer.bias}
    found: set[str] = set()
    scale_of: dict[str, str] = {}
    lifted: set[str] = set()
    for node in model.graph.node:
        output = node.output[0]
        summed = node.op_type == "Add" and found.issuperset(node.input)
        if summed or node.name in convolutions:
            found.add(behind_relu(output, readers))
        elif node.op_type == "Relu" and (node.input[0] in found or output in read):
            found.add(output)
        elif node.op_type == "Resize":
            source = node.input[0]
            if source in found and source in liftable and len(readers[source]) == 1:
                found.add(output)
                scale_of[output] = source
                lifted.add(liftable[source])
    return IntegerMaps(frozenset(found), scale_of, frozenset(lifted))


def behind_relu(tensor: str, readers: dict[str, list[onnx.NodeProto]]) -> str:
    """The Relu's output, where a Relu alone reads a tensor: one kernel does both."""
    following = readers.get(tensor, [])
    if len(following) == 1 and following[0].op_type == "Relu":
        return str(following[0].output[0])
    return tensor
