"""Linear layers of a graph, x·W + b, and what can be folded into them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from lunar_export.graph.graph_edit import GraphEdit, attribute

Values = NDArray[np.generic]


@dataclass(frozen=True)
class Projection:
    """MatMul by a constant, then Add of a constant; nothing else reads what lies between."""

    product: onnx.NodeProto
    sum: onnx.NodeProto

    def change(
        self, edit: GraphEdit, how: Callable[[Values], Values], suffix: str, output: str
    ) -> list[onnx.NodeProto]:
        """Take it out of the graph, and make another one.

        Args:
            edit: The graph.
            how: New from old weight (in, out) and bias (out,), along the last axis.
            suffix: Of the new constants' names.
            output: Name of what the new one gives.

        Returns:
            Its nodes, which are not in the graph yet.
        """
        new = []
        for node in (self.product, self.sum):
            old = edit.constant(node.input[1])
            assert old is not None  # what makes it a projection
            changed = copy.deepcopy(node)
            changed.input[1] = edit.add_constant(f"{node.input[1]}_{suffix}", how(old))
            new.append(changed)
            edit.replace(node, [])
        new[1].output[0] = output
        return new


def find_projection(edit: GraphEdit, tensor: str) -> Projection | None:
    """The linear layer that gives a tensor, if only one node reads it."""
    total = edit.maker(tensor, "Add")
    product = total and edit.maker(total.input[0], "MatMul")
    if total is None or product is None or not edit.used_once(tensor):
        return None
    weight, bias = edit.constant(product.input[1]), edit.constant(total.input[1])
    if weight is None or bias is None or weight.ndim != 2 or bias.shape != weight.shape[1:]:
        return None
    return Projection(product, total) if edit.used_once(product.output[0]) else None


def fold_gains(edit: GraphEdit) -> int:
    """Put a gain per channel (LayerScale) into the linear layer before it.

    Returns:
        How many there were.
    """
    count = 0
    for node in edit.nodes:
        gain = edit.constant(node.input[1]) if node.op_type == "Mul" else None
        projection = find_projection(edit, node.input[0]) if gain is not None else None
        if gain is None or projection is None or gain.ndim != 1:
            continue
        scaled = partial(np.multiply, gain)
        edit.replace(node, projection.change(edit, scaled, "scaled", node.output[0]))
        count += 1
    return count


def split_projections(edit: GraphEdit) -> int:
    """Compute queries, keys and values by three products instead of splitting one.

    Returns:
        How many were split.
    """
    count = 0
    for node in edit.nodes:
        if node.op_type != "Split" or attribute(node, "axis") not in (2, -1):
            continue
        projection = find_projection(edit, node.input[0])
        if projection is None or len(node.input) > 1:  # equal parts only
            continue
        edit.replace(node, _parts(edit, projection, node))
        count += 1
    return count


def with_split_projections(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy with `split_projections`: OpenVINO copies what it splits."""
    changed = copy.deepcopy(model)
    edit = GraphEdit(changed)
    split_projections(edit)
    edit.finish()
    return changed


def _parts(edit: GraphEdit, projection: Projection, split: onnx.NodeProto) -> list[onnx.NodeProto]:
    product, total = projection.product, projection.sum
    weight, bias = edit.constant(product.input[1]), edit.constant(total.input[1])
    assert weight is not None and bias is not None  # what makes it a projection
    number = len(split.output)
    for node in (product, total):
        edit.replace(node, [])
    nodes = []
    for i, output in enumerate(split.output):
        part = f"{product.output[0]}_part{i}"
        own = edit.add_constant(f"{product.input[1]}_part{i}", np.split(weight, number, 1)[i])
        add = edit.add_constant(f"{total.input[1]}_part{i}", np.split(bias, number)[i])
        nodes += [
            helper.make_node("MatMul", [product.input[0], own], [part], f"{product.name}_part{i}"),
            helper.make_node("Add", [part, add], [output], f"{total.name}_part{i}"),
        ]
    return nodes
