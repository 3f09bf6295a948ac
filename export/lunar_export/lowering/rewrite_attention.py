"""Attention as ONNX Runtime computes it best on a CPU: one node a layer, tile by tile.

Decomposed attention writes every score to memory and reads it back twice (2 x 6 x 1370 x 1370
floats a layer in S2's encoder) and carries heads to and fro by transpositions. `MultiHeadAttention`
and `RotaryEmbedding` take tokens as the matrix products give them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from lunar_export.graph.graph_edit import GraphEdit, attribute
from lunar_export.graph.opset import MICROSOFT
from lunar_export.lowering.projections import find_projection


@dataclass(frozen=True)
class _Rotation:
    """RoPE-2D as the tracer writes it: x·cos + cat(−b, a, −d, c)·sin for x = cat(a, b, c, d).

    Attributes:
        cos: (N, D) of every token; the tables of a and b are equal, and those of c and d.
        sin: The same.
    """

    cos: NDArray[np.float32]
    sin: NDArray[np.float32]


@dataclass(frozen=True)
class _Heads:
    """Queries, keys or values before they are split into heads.

    Attributes:
        tokens: (B, N, heads·D) tensor.
        heads: How many.
        rotation: Applied to each.
    """

    tokens: str
    heads: int
    rotation: _Rotation | None


def fuse_attention(edit: GraphEdit) -> int:
    """Replace every attention whose form is known; others stay.

    Returns:
        How many were replaced.
    """
    return sum(_fuse(edit, node) for node in edit.nodes if node.op_type == "Softmax")


def _fuse(edit: GraphEdit, softmax: onnx.NodeProto) -> bool:
    scores = edit.maker(softmax.input[0], "MatMul")
    if scores is None or not edit.used_once(softmax.output[0]):
        return False
    scaled = edit.maker(scores.input[0], "Mul")
    mixed = edit.readers(softmax.output[0])[0]
    joined = _only_reader(edit, mixed.output[0], "Transpose")
    out = joined and _only_reader(edit, joined.output[0], "Reshape")
    if scaled is None or out is None or mixed.op_type != "MatMul":
        return False
    scale = edit.constant(scaled.input[1])
    q = _heads(edit, scaled.input[0], transposed=False)
    k = _heads(edit, scores.input[1], transposed=True)
    v = _heads(edit, mixed.input[1], transposed=False)
    if scale is None or q is None or k is None or v is None or v.rotation is not None:
        return False
    if (q.rotation is None) != (k.rotation is None) or not q.heads == k.heads == v.heads:
        return False
    name = softmax.name.rpartition("/")[0]
    nodes: list[onnx.NodeProto] = []
    inputs = [
        _turned(edit, part, f"{name}/{letter}", nodes) for part, letter in ((q, "q"), (k, "k"))
    ]
    nodes.append(
        helper.make_node(
            "MultiHeadAttention",
            [*inputs, v.tokens],
            [out.output[0]],
            f"{name}/MultiHeadAttention",
            domain=MICROSOFT,
            num_heads=q.heads,
            scale=float(scale),
        )
    )
    edit.replace(out, nodes)
    return True


def _heads(edit: GraphEdit, tensor: str, *, transposed: bool) -> _Heads | None:
    """Follow (B, heads, N, D) back to (B, N, heads·D); `transposed`: from (B, heads, D, N)."""
    rotation = None
    if transposed:
        node = edit.maker(tensor, "Transpose")
        if node is None:
            return None
        if attribute(node, "perm") == [0, 1, 3, 2]:
            tensor = node.input[0]
        elif attribute(node, "perm") != [0, 2, 3, 1]:
            return None
    turned = edit.maker(tensor, "Add")
    if turned is not None:
        found = _rotation(edit, turned)
        if found is None:
            return None
        tensor, rotation = found
    split = edit.maker(tensor, "Transpose")
    shaped = split and edit.maker(split.input[0], "Reshape")
    if (
        split is None
        or shaped is None
        or attribute(split, "perm") not in ([0, 2, 1, 3], [0, 2, 3, 1])
    ):
        return None
    shape = edit.constant(shaped.input[1])
    if shape is None or shape.size != 4:
        return None
    if rotation is not None and find_projection(edit, shaped.input[0]) is None:
        return None
    return _Heads(shaped.input[0], int(shape[2]), rotation)


def _rotation(edit: GraphEdit, turned: onnx.NodeProto) -> tuple[str, _Rotation] | None:
    straight, crossed = (edit.maker(name, "Mul") for name in turned.input)
    joined = crossed and edit.maker(crossed.input[0], "Concat")
    if straight is None or crossed is None or joined is None or len(joined.input) != 4:
        return None
    x = straight.input[0]
    split = edit.maker(joined.input[1], "Split")
    if split is None or split.input[0] != x or len(split.output) != 4:
        return None
    a, b, c, d = split.output
    negated = [edit.maker(joined.input[i], "Neg") for i in (0, 2)]
    parts = [node.input[0] for node in negated if node is not None]
    if [*parts, *joined.input[1::2]] != [b, d, a, c]:
        return None
    cos, sin = (edit.constant(node.input[1]) for node in (straight, crossed))
    if cos is None or sin is None or not (_paired(cos) and _paired(sin)):
        return None
    cos, sin = (table.astype(np.float32).reshape(table.shape[-2:]) for table in (cos, sin))
    return x, _Rotation(cos, sin)


def _paired(table: NDArray[np.generic]) -> bool:
    a, b, c, d = np.split(table, 4, axis=-1)
    return np.array_equal(a, b) and np.array_equal(c, d)


def _turned(edit: GraphEdit, part: _Heads, name: str, nodes: list[onnx.NodeProto]) -> str:
    """The tensor of turned tokens; the nodes that make it are appended.

    `RotaryEmbedding` pairs the channels of a head's first half with those of its second. RoPE-2D
    pairs a with b and c with d, so the projection gives a head's channels in the order a, c, b, d,
    queries and keys alike: their dot product does not notice.
    """
    if part.rotation is None:
        return part.tokens
    cos, sin = part.rotation.cos, part.rotation.sin
    head = cos.shape[1]
    order = np.arange(head).reshape(4, -1)[[0, 2, 1, 3]].ravel()
    columns = (np.arange(0, part.heads * head, head)[:, None] + order).ravel()
    projection = find_projection(edit, part.tokens)
    assert projection is not None  # `_heads` saw it
    changed = projection.change(edit, lambda values: values[..., columns], "turned", part.tokens)
    half = order[: head // 2]
    tables = [
        edit.add_constant(f"rope_{kind}_{len(cos)}x{head // 2}", table[:, half])
        for kind, table in (("cos", cos), ("sin", sin))
    ]
    start = edit.add_constant("rope_start", np.zeros(1, np.int64))
    node = helper.make_node(
        "RotaryEmbedding",
        [part.tokens, start, *tables],
        [f"{name}_turned"],
        f"{name}/RotaryEmbedding",
        domain=MICROSOFT,
    )
    nodes += [*changed, node]
    return str(node.output[0])


def _only_reader(edit: GraphEdit, tensor: str, operator: str) -> onnx.NodeProto | None:
    if not edit.used_once(tensor):
        return None
    reader = edit.readers(tensor)[0]
    return reader if reader.op_type == operator else None
