"""What multiplies in a graph: layers with weights, and the scores of attention."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

# Operator -> axis of its weight along which every output channel has a scale of its own.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "MatMul": 1, "Gemm": 1}


@dataclass(frozen=True)
class Layer:
    """A node that multiplies activations with weights.

    Attributes:
        node: Its name.
        kind: `Conv`, `ConvTranspose`, `MatMul` or `Gemm`.
        data: The activation it reads.
        weight: Its weights, an initializer.
        axis: Of the weights, that of the output channels.
        bias: Its own bias, an initializer; None where it has none (a MatMul's is added by an Add).
        output: What it gives.
    """

    node: str
    kind: str
    data: str
    weight: str
    axis: int
    bias: str | None
    output: str

    @property
    def module(self) -> str:
        """The module of the network, as in `dec_blocks.0.attn.qkv`; shared by both images."""
        return self.node.rpartition("/")[0]


def weight_layers(model: onnx.ModelProto) -> list[Layer]:
    """Every Conv, ConvTranspose, Gemm and MatMul with constant weights, in the graph's order.

    Products of two activations, as in attention, are not among them.
    """
    constant = {tensor.name: len(tensor.dims) for tensor in model.graph.initializer}
    layers = []
    for node in model.graph.node:
        if node.op_type not in _OUTPUT_AXIS or node.input[1] not in constant:
            continue
        if node.input[0] in constant or (node.op_type == "MatMul" and constant[node.input[1]] != 2):
            continue
        bias = node.input[2] if len(node.input) > 2 and node.input[2] else None
        layers.append(
            Layer(
                node=node.name,
                kind=node.op_type,
                data=node.input[0],
                weight=node.input[1],
                axis=_axis(node),
                bias=bias,
                output=node.output[0],
            )
        )
    return layers


@dataclass(frozen=True)
class Scores:
    """A node that multiplies every query of an attention with every key.

    Attributes:
        node: Its name.
        queries: (…, N, D), what it reads first.
        keys: (…, D, N), what it reads second.
    """

    node: str
    queries: str
    keys: str

    @property
    def module(self) -> str:
        """The attention, as in `dec_blocks.0.attn`; shared by both images."""
        return self.node.rpartition("/")[0]


def attention_scores(model: onnx.ModelProto) -> list[Scores]:
    """Every MatMul of two activations that a Softmax alone reads, in the graph's order."""
    constant = {tensor.name for tensor in model.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in dict.fromkeys(node.input):
            readers.setdefault(name, []).append(node)
    return [
        Scores(node.name, node.input[0], node.input[1])
        for node in model.graph.node
        if node.op_type == "MatMul"
        and constant.isdisjoint(node.input)
        and [reader.op_type for reader in readers.get(node.output[0], [])] == ["Softmax"]
    ]


def outermost(model: onnx.ModelProto, layers: list[Layer]) -> tuple[set[str], set[str]]:
    """The first and the last layers.

    Returns:
        Nodes of the layers that no other layer is before (they see the image itself), and of those
        that no other is behind (they give the pointmap's logarithm).
    """
    by_node = {layer.node: layer for layer in layers}
    behind: set[str] = set()  # tensors that some layer is before
    first = set()
    for node in model.graph.node:
        after = any(name in behind for name in node.input)
        if node.name in by_node:
            if not after:
                first.add(node.name)
            after = True
        if after:
            behind.update(node.output)
    before: set[str] = set()  # tensors that some layer is behind
    last = set()
    for node in reversed(model.graph.node):
        ahead = any(name in before for name in node.output)
        if node.name in by_node:
            if not ahead:
                last.add(node.name)
            ahead = True
        if ahead:
            before.update(node.input)
    return first, last


def tail(model: onnx.ModelProto, layers: list[Layer]) -> set[str]:
    """Nodes behind the last layers: norm, exponential, confidence."""
    names = {layer.node for layer in layers}
    before: set[str] = set()
    nodes = set()
    for node in reversed(model.graph.node):
        if node.name in names or any(name in before for name in node.output):
            before.update(node.input)
        else:
            nodes.add(node.name)
    return nodes


def _axis(node: onnx.NodeProto) -> int:
    if node.op_type == "Gemm" and any(a.name == "transB" and a.i for a in node.attribute):
        return 0
    return _OUTPUT_AXIS[node.op_type]
