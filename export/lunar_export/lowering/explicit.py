"""Nothing left unsaid: every attribute, optional input, type and shape of a graph written down."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import defs, helper

from lunar_export.graph.graph_edit import GraphEdit
from lunar_export.graph.opset import default_opset
from lunar_export.graph.shapes import every_shape, infer_types
from lunar_export.graph.sonnx_set import ALTERNATIVES

Shape = tuple[int, ...]


def say_everything(model: onnx.ModelProto) -> None:
    """Write down what ONNX would assume, in place; what the graph computes stays the same bits.

    Args:
        model: A graph whose shapes are known before it runs.
    """
    shapes = every_shape(model)
    edit = GraphEdit(model)
    for node in edit.nodes:
        said = onnx.NodeProto()
        said.CopyFrom(node)
        _say_attributes(said, shapes, default_opset(model))
        _say_inputs(edit, said, shapes)
        edit.replace(node, [said])
    edit.finish()
    _say_types(model)
    tensors = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensors)


def _say_attributes(node: onnx.NodeProto, shapes: dict[str, Shape], opset: int) -> None:
    schema = defs.get_schema(node.op_type, opset)
    given = {attribute.name for attribute in node.attribute}
    for name, described in schema.attributes.items():
        if name in given or (node.op_type, name) in ALTERNATIVES:
            continue
        if described.default_value.name:
            node.attribute.append(described.default_value)
        elif (value := _assumed(node, name, shapes)) is not None:
            node.attribute.append(helper.make_attribute(name, value))
    ordered = sorted(node.attribute, key=lambda attribute: attribute.name)
    del node.attribute[:]
    node.attribute.extend(ordered)


def _assumed(node: onnx.NodeProto, name: str, shapes: dict[str, Shape]) -> list[int] | None:
    """Defaults that stand in ONNX's text instead of its schema."""
    rank = len(shapes[node.input[0]])
    if node.op_type in ("Conv", "ConvTranspose"):
        ones = [1] * (rank - 2)
        return {
            "kernel_shape": list(shapes[node.input[1]][2:]),
            "dilations": ones,
            "strides": ones,
            "pads": [0] * (2 * (rank - 2)),
            "output_padding": [0] * (rank - 2),
        }.get(name)
    if (node.op_type, name) == ("Resize", "axes"):
        return list(range(rank))
    if (node.op_type, name) == ("Transpose", "perm"):
        return list(reversed(range(rank)))
    return None


def _say_inputs(edit: GraphEdit, node: onnx.NodeProto, shapes: dict[str, Shape]) -> None:
    def constant(part: str, values: object, dtype: type[np.generic]) -> str:
        return edit.add_constant(f"{node.name}/{part}", np.array(values, dtype))

    def missing(index: int) -> bool:
        return len(node.input) <= index or not node.input[index]

    if node.op_type in ("Conv", "ConvTranspose", "Gemm") and missing(2):
        width = shapes[node.output[0]][1]
        _give(node, 2, constant("no_bias", np.zeros(width), np.float32))
    elif node.op_type == "Split" and missing(1):
        axis = next(a.i for a in node.attribute if a.name == "axis")
        parts = [shapes[name][axis] for name in node.output]
        _give(node, 1, constant("parts", parts, np.int64))
        kept = [a for a in node.attribute if a.name != "num_outputs"]
        del node.attribute[:]
        node.attribute.extend(kept)
    elif node.op_type == "Clip" and missing(2) and not missing(1):
        node.op_type = "Max"  # a Clip without an upper bound; ONNX has no other number for none
        del node.input[2:]
    elif node.op_type == "Resize" and missing(1):
        rank = len(shapes[node.input[0]])
        _give(node, 1, constant("whole", [0.0] * rank + [1.0] * rank, np.float32))
    elif node.op_type == "Pad":
        rank = len(shapes[node.input[0]])
        if missing(2):
            _give(node, 2, constant("zero", 0.0, np.float32))
        if missing(3):
            _give(node, 3, constant("axes", list(range(rank)), np.int64))
    elif node.op_type == "Slice" and missing(4) and not missing(3):
        starts = edit.constant(node.input[1])
        assert starts is not None, f"{node.input[1]} is computed"
        _give(node, 4, constant("steps", np.ones(len(starts)), np.int64))


def _give(node: onnx.NodeProto, index: int, name: str) -> None:
    while len(node.input) <= index:
        node.input.append("")
    node.input[index] = name


def _say_types(model: onnx.ModelProto) -> None:
    known = infer_types(model)
    outputs = {value.name for value in model.graph.output}
    del model.graph.value_info[:]
    for node in model.graph.node:
        for name in filter(None, node.output):
            if name not in outputs:
                model.graph.value_info.append(helper.make_value_info(name, known[name]))
