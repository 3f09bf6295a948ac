"""Operators that the safety-related profile lacks, written with those that it has.

Every replacement computes the same numbers up to the order of float32 sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from lunar_export.graph.graph_edit import GraphEdit, attribute
from lunar_export.graph.shapes import every_shape

# An LpNormalization of zeros gives zeros: their norm counts as the smallest normal float32.
_SMALLEST = float(np.finfo(np.float32).tiny)

Shape = tuple[int, ...]
_Rewrite = Callable[["_Place"], None]


def write_plainly(model: onnx.ModelProto) -> dict[str, int]:
    """Replace what the profile lacks, in place.

    Args:
        model: A traced and simplified FP32 graph. Operators without a rewrite stay.

    Returns:
        Operator -> how many were replaced.
    """
    shapes = every_shape(model)
    edit = GraphEdit(model)
    counts: dict[str, int] = {}
    for node in edit.nodes:
        rewrite = _REWRITES.get(node.op_type)
        if rewrite is None:
            continue
        place = _Place(edit, node, shapes)
        rewrite(place)
        edit.replace(node, place.made)
        counts[node.op_type] = counts.get(node.op_type, 0) + 1
    edit.finish()
    return counts


class _Place:
    """Where a node is replaced: names and collects the nodes that take its place."""

    def __init__(self, edit: GraphEdit, node: onnx.NodeProto, shapes: dict[str, Shape]) -> None:
        self._edit = edit
        self.node = node
        self.made: list[onnx.NodeProto] = []
        self._shapes = shapes

    def shape(self, tensor: str) -> Shape:
        return self._shapes[tensor]

    def constant(self, part: str, values: NDArray[np.generic]) -> str:
        return self._edit.add_constant(f"{self.node.name}/{part}", values)

    def values(self, tensor: str) -> NDArray[np.generic]:
        values = self._edit.constant(tensor)
        assert values is not None, f"{tensor} is computed"  # the tracer folds weights and axes
        return values

    def number(self, part: str, value: float) -> str:
        return self.constant(part, np.array(value, np.float32))

    def add(self, operator: str, inputs: Sequence[str], part: str = "", **attributes: Any) -> str:
        """One node; the last has no `part` and gives what the replaced node gave."""
        output = f"{self.node.output[0]}/{part}" if part else self.node.output[0]
        module = self.node.name.rpartition("/")[0]
        name = f"{self.node.name}.{part}" if part else f"{module}/{operator}.{self.node.output[0]}"
        self.made.append(helper.make_node(operator, inputs, [output], name, **attributes))
        return output

    def mean(self, tensor: str, axes: str, part: str) -> str:
        return self.add("ReduceMean", [tensor, axes], part, keepdims=1, noop_with_empty_axes=0)

    def normalised(self, tensor: str, axes: Sequence[int], scale: str, bias: str) -> None:
        """(x − mean)/√(var + ε)·scale + bias, in the order in which ONNX Runtime fuses it."""
        over = self.constant("axes", np.array(axes, np.int64))
        centred = self.add("Sub", [tensor, self.mean(tensor, over, "mean")], "centred")
        squared = self.add("Pow", [centred, self.number("two", 2.0)], "squared")
        variance = self.mean(squared, over, "variance")
        epsilon = attribute(self.node, "epsilon", 1e-5)
        assert isinstance(epsilon, float)
        shifted = self.add("Add", [variance, self.number("epsilon", epsilon)], "shifted")
        deviation = self.add("Sqrt", [shifted], "deviation")
        divided = self.add("Div", [centred, deviation], "divided")
        self.add("Add", [self.add("Mul", [divided, scale], "scaled"), bias])


def _layer_norm(place: _Place) -> None:
    data, scale, bias = place.node.input
    rank = len(place.shape(data))
    axis = attribute(place.node, "axis", -1)
    assert isinstance(axis, int)
    place.normalised(data, range(axis % rank, rank), scale, bias)


def _instance_norm(place: _Place) -> None:
    data, scale, bias = place.node.input
    rank = len(place.shape(data))
    per_channel = [
        place.constant(part, place.values(name).reshape(1, -1, *[1] * (rank - 2)))
        for part, name in (("scale", scale), ("bias", bias))
    ]
    place.normalised(data, range(2, rank), *per_channel)


def _norm(place: _Place, axes: str, keepdims: int, last: str = "") -> str:
    data = place.node.input[0]
    squared = place.add("Mul", [data, data], "squared")
    total = place.add(
        "ReduceSum", [squared, axes], "total", keepdims=keepdims, noop_with_empty_axes=0
    )
    return place.add("Sqrt", [total], last)


def _reduce_l2(place: _Place) -> None:
    axes = place.constant("axes", place.values(place.node.input[1]))
    keepdims = attribute(place.node, "keepdims", 1)
    assert isinstance(keepdims, int)
    _norm(place, axes, keepdims)


def _lp_normalization(place: _Place) -> None:
    assert attribute(place.node, "p", 2) == 2, "the family normalises by the length"
    axes = place.constant("axes", np.array([attribute(place.node, "axis", -1)], np.int64))
    length = _norm(place, axes, 1, "length")
    floor = place.add("Max", [length, place.number("smallest", _SMALLEST)], "divisor")
    place.add("Div", [place.node.input[0], floor])


def _hard_sigmoid(place: _Place) -> None:
    alpha, beta = (attribute(place.node, *pair) for pair in (("alpha", 0.2), ("beta", 0.5)))
    assert isinstance(alpha, float) and isinstance(beta, float)
    scaled = place.add("Mul", [place.node.input[0], place.number("alpha", alpha)], "scaled")
    shifted = place.add("Add", [scaled, place.number("beta", beta)], "shifted")
    place.add("Clip", [shifted, place.number("zero", 0.0), place.number("one", 1.0)])


def _depth_to_space(place: _Place) -> None:
    data = place.node.input[0]
    n, channels, rows, columns = place.shape(data)
    block = attribute(place.node, "blocksize")
    assert isinstance(block, int)
    kept = channels // block**2
    if attribute(place.node, "mode", b"DCR") == b"CRD":
        split, perm = (n, kept, block, block, rows, columns), [0, 1, 4, 2, 5, 3]
    else:
        split, perm = (n, block, block, kept, rows, columns), [0, 3, 4, 1, 5, 2]
    joined = (n, kept, rows * block, columns * block)
    shapes = [
        place.constant(part, np.array(shape, np.int64))
        for part, shape in (("blocks", split), ("pixels", joined))
    ]
    blocks = place.add("Reshape", [data, shapes[0]], "split", allowzero=0)
    turned = place.add("Transpose", [blocks], "turned", perm=perm)
    place.add("Reshape", [turned, shapes[1]], allowzero=0)


_REWRITES: dict[str, _Rewrite] = {
    "LayerNormalization": _layer_norm,
    "InstanceNormalization": _instance_norm,
    "ReduceL2": _reduce_l2,
    "LpNormalization": _lp_normalization,
    "HardSigmoid": _hard_sigmoid,
    "DepthToSpace": _depth_to_space,
}
