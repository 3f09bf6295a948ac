"""What a network's graph costs, from its ONNX file: arithmetic and bytes, by part.

A part is read off a node's name, the module it was traced from (`dec_blocks.0.attn/MatMul`).
Nodes without one (folded casts, Q/DQ that a quantiser put in) belong to the part that feeds them.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import onnx

PARTS = ("encoder", "decoder", "heads", "other")

_PART_OF = {
    "encoder": ("tiny_enc", "tiny_vit", "patch_embed", "enc_blocks", "enc_norm"),
    "decoder": ("decoder_embed", "dec_blocks", "dec_blocks2", "dec_norm", "mask_token"),
    "heads": ("downstream_head1", "downstream_head2"),
}
# Only the shape changes, or nothing does: no byte needs to move.
_FREE = frozenset({"Reshape", "Unsqueeze", "Squeeze", "Flatten", "Identity", "Constant", "Shape"})


# ONNX Runtime's operators whose outputs have the shape of their first input.
_LIKE_THE_FIRST = frozenset(
    {
        "MultiHeadAttention", "SkipLayerNormalization", "FastGelu", "QuickGelu", "RotaryEmbedding",
        "QLinearLeakyRelu",
    }
)  # fmt: skip
# A product of integers, whose output is float and as wide as its weights.
_TO_FLOAT = "MatMulIntegerToFloat"
# Constants up to here may be shapes; larger ones are weights, whose values are not needed.
_SHAPE_BYTES = 1024


class GraphCost(NamedTuple):
    """One part.

    Attributes:
        flops: Of matrix products and convolutions, a multiply-add counting two.
        weight_bytes: Of constants that are used there first.
        activation_bytes: Read and written if every operator does so by itself.
    """

    flops: float
    weight_bytes: float
    activation_bytes: float


class Graph(NamedTuple):
    """A graph, by part.

    Attributes:
        costs: Part -> cost; parts without nodes are absent.
        part_of: Node name, and output tensor name, -> part.
    """

    costs: dict[str, GraphCost]
    part_of: dict[str, str]


def read_graph(path: Path) -> Graph:
    """Analyse an ONNX file with static shapes.

    Args:
        path: Weights beside it (external data) are not read.
    """
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > _SHAPE_BYTES:
            tensor.ClearField("raw_data")
    graph = _with_shapes(model)
    sizes = _sizes(graph)
    constants = {tensor.name for tensor in graph.initializer}
    parts: dict[str, str] = {}
    totals = {part: [0.0, 0.0, 0.0] for part in PARTS}
    counted: set[str] = set()
    for node in graph.node:
        part = part_of_name(node.name) or next(
            (parts[name] for name in node.input if name in parts), "other"
        )
        parts.update(dict.fromkeys((node.name, *node.output), part))
        total = totals[part]
        total[0] += node_flops(node, sizes)
        fresh = [n for n in node.input if n in constants and n not in counted]
        counted.update(fresh)
        total[1] += sum(sizes[name].bytes for name in fresh)
        if node.op_type not in _FREE:
            moved = [n for n in (*node.input, *node.output) if n in sizes and n not in constants]
            total[2] += sum(sizes[name].bytes for name in moved)
    costs = {part: GraphCost(*total) for part, total in totals.items() if any(total)}
    return Graph(costs, parts)


def part_of_name(name: str) -> str | None:
    """The part that a node's name tells, or its weight's; None if it tells none."""
    module = name.lstrip("/").split("/")[0].removeprefix("student.").split(".")[0]
    return next((part for part, modules in _PART_OF.items() if module in modules), None)


class _Size(NamedTuple):
    shape: tuple[int, ...]
    bytes: float


def node_flops(node: onnx.NodeProto, sizes: dict[str, _Size]) -> float:
    """Arithmetic of one node; 0 for what is neither a matrix product nor a convolution.

    Args:
        node: Of the graph.
        sizes: Tensor -> shape and bytes.
    """
    kind = node.op_type
    out = math.prod(sizes[node.output[0]].shape) if node.output[0] in sizes else 0
    if kind in ("Conv", "ConvInteger", "QLinearConv"):
        weight = sizes[node.input[3 if kind == "QLinearConv" else 1]].shape
        return 2.0 * out * math.prod(weight[1:])
    if kind == "ConvTranspose":
        weight = sizes[node.input[1]].shape
        return 2.0 * math.prod(sizes[node.input[0]].shape) * math.prod(weight[1:])
    if kind in ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", _TO_FLOAT):
        return 2.0 * out * sizes[node.input[0]].shape[-1]
    if kind == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return 2.0 * out * sizes[node.input[0]].shape[0 if transposed else -1]
    if kind in ("Attention", "MultiHeadAttention"):
        # q · kᵀ and its product with v; (…, L, width) each.
        query, key = sizes[node.input[0]].shape, sizes[node.input[1]].shape
        return 4.0 * math.prod(query) * key[-2]
    return 0.0


def _with_shapes(model: onnx.ModelProto) -> onnx.GraphProto:
    """Shapes of all tensors, also behind ONNX Runtime's own operators, which onnx does not know."""
    while True:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
        known = {v.name: v for v in (*model.graph.input, *model.graph.value_info)}
        known.update({value.name: value for value in model.graph.output})
        widths = {t.name: t.dims[-1] for t in model.graph.initializer if t.dims}
        found = False
        for node in model.graph.node:
            alike = node.op_type in _LIKE_THE_FIRST
            if not (alike or node.op_type == _TO_FLOAT) or node.input[0] not in known:
                continue
            for output in node.output:
                if output and output not in known:
                    known[output] = value = model.graph.value_info.add()
                    value.CopyFrom(known[node.input[0]])
                    value.name = output
                    if not alike:
                        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
                        value.type.tensor_type.shape.dim[-1].dim_value = widths[node.input[1]]
                    found = True
        if not found:
            return model.graph


def _sizes(graph: onnx.GraphProto) -> dict[str, _Size]:
    sizes: dict[str, _Size] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        shape = tuple(dim.dim_value for dim in tensor.shape.dim)
        sizes[value.name] = _Size(shape, math.prod(shape) * _width(tensor.elem_type))
    for constant in graph.initializer:
        shape = tuple(constant.dims)
        sizes[constant.name] = _Size(shape, math.prod(shape) * _width(constant.data_type))
    return sizes


def _width(element: int) -> float:
    return float(onnx.helper.tensor_dtype_to_np_dtype(element).itemsize)
