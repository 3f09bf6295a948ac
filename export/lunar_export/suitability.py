"""What a graph must not hold: what a target refuses, or computes on every run for nothing."""

from __future__ import annotations

import onnx
from lunar_runtime.errors import BundleError
from onnx import TensorProto, helper

from lunar_export import weights

MAX_OPSET = 20  # of TensorRT 10.3's parser

# Everything that depends on the image size alone should be a constant by now; control flow and
# shapes known only at run time cannot be planned.
CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceAt", "SequenceConstruct"}
SHAPES = {"Shape", "Size", "Range", "ConstantOfShape", "NonZero", "Unique", "Where", "Expand"}
UNFOLDED = {"Cos", "Sin", "BatchNormalization"}  # position tables; statistics
FORBIDDEN = CONTROL_FLOW | SHAPES | UNFOLDED


def check_graph(model: onnx.ModelProto) -> None:
    """Refuse a graph that is not ready for every target.

    Raises:
        BundleError: With every reason. It means that a version of torch or onnxsim changed.
    """
    problems = [*_opsets(model), *_operators(model), *_types(model)]
    if problems:
        raise BundleError(
            f"the traced graph is not fit for TensorRT: {'; '.join(problems)}; use the versions of "
            "torch, onnx and onnxsim that constraints.txt names"
        )


def _opsets(model: onnx.ModelProto) -> list[str]:
    used = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    problems = [f"operators of {domain}" for domain in sorted(used)]
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version > MAX_OPSET:
            problems.append(f"opset {opset.version}, over {MAX_OPSET}")
    if model.functions:
        problems.append("local functions")
    return problems


def _operators(model: onnx.ModelProto) -> list[str]:
    problems = []
    for node in model.graph.node:
        if node.op_type in FORBIDDEN:
            problems.append(node.name)
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if node.op_type == "Resize" and attribute.name == "mode" and value == b"cubic":
                problems.append(f"{node.name} (cubic)")
    return problems


def _types(model: onnx.ModelProto) -> list[str]:
    """Every value a node computes is float32 and of a known shape; so no shapes are computed."""
    structure = onnx.ModelProto()
    structure.CopyFrom(model)
    large = {t.name for t in model.graph.initializer if weights.size_bytes(t) > 10_000}
    weights.hold_out(structure, large)
    inferred = onnx.shape_inference.infer_shapes(structure, strict_mode=True, data_prop=True)
    known = {v.name: v.type for v in (*inferred.graph.value_info, *inferred.graph.output)}
    problems = []
    for node in model.graph.node:
        for name in filter(None, node.output):
            kind = known.get(name)
            if kind is None or not all(d.dim_value for d in kind.tensor_type.shape.dim):
                problems.append(f"{node.name} (shape known only at run time)")
            elif kind.tensor_type.elem_type != TensorProto.FLOAT:
                problems.append(f"{node.name} (computes integers)")
    return problems
