"""What a graph must not hold: what a target refuses, or computes on every run for nothing."""

from __future__ import annotations

import onnx
from lunar_runtime.bundles.choices import Precision, Target
from lunar_runtime.errors import BundleError
from onnx import TensorProto, helper

from lunar_export.graph.opset import DEFAULT_DOMAIN, LATEST, MICROSOFT
from lunar_export.graph.shapes import infer_types

# Everything that depends on the image size alone should be a constant by now; control flow and
# shapes known only at run time cannot be planned.
CONTROL_FLOW = {"If", "Loop", "Scan", "SequenceAt", "SequenceConstruct"}
SHAPES = {"Shape", "Size", "Range", "ConstantOfShape", "NonZero", "Unique", "Where", "Expand"}
UNFOLDED = {"Cos", "Sin", "BatchNormalization"}  # position tables; statistics
FORBIDDEN = CONTROL_FLOW | SHAPES | UNFOLDED

# What the family needs, in the form that TensorRT 10.3's parser reads: its list of operators for
# opset 20 and below.
ALLOWED = {
    "Add", "AveragePool", "Cast", "Clip", "Concat", "Conv", "ConvTranspose", "DepthToSpace",
    "DequantizeLinear", "Div", "Erf", "Exp", "Flatten", "Gather", "Gemm", "GlobalAveragePool",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LayerNormalization", "Log",
    "LpNormalization", "MatMul", "Max", "Min", "Mul", "Neg", "Pad", "Pow", "QuantizeLinear",
    "Reciprocal", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu",
    "Reshape", "Resize", "Sigmoid", "Slice", "Softmax", "Split", "Sqrt", "Squeeze", "Sub", "Tanh",
    "Transpose", "Unsqueeze",
}  # fmt: skip


def check_graph(
    model: onnx.ModelProto, precision: Precision = "fp32", target: Target = "tensorrt"
) -> None:
    """Refuse a graph that is not ready for its target.

    Args:
        model: The graph.
        precision: `fp32`, `fp16` or `int8`: which types it may compute.
        target: `tensorrt` for every target; `cpu` lets a reduced graph use ONNX Runtime's own
            operators.

    Raises:
        BundleError: With every reason. It means that a version of torch or onnxsim changed.
    """
    domains = {MICROSOFT} if target == "cpu" else set()
    problems = [*_opsets(model, domains), *_operators(model)]
    if not domains & {node.domain for node in model.graph.node}:
        problems += _types(model, precision)
    if problems:
        raise BundleError(
            f"the traced graph is not fit for TensorRT: {'; '.join(problems)}; use the versions of "
            "torch, onnx and onnxsim that constraints.txt names"
        )


def _opsets(model: onnx.ModelProto, domains: set[str]) -> list[str]:
    used = {node.domain for node in model.graph.node} - {*DEFAULT_DOMAIN} - domains
    problems = [f"operators of {domain}" for domain in sorted(used)]
    for opset in model.opset_import:
        if opset.domain in DEFAULT_DOMAIN and opset.version > LATEST:
            problems.append(f"opset {opset.version}, over {LATEST}")
    if model.functions:
        problems.append("local functions")
    return problems


def _operators(model: onnx.ModelProto) -> list[str]:
    problems = []
    for node in model.graph.node:
        if node.op_type in FORBIDDEN:
            problems.append(node.name)
        elif node.domain in DEFAULT_DOMAIN and node.op_type not in ALLOWED:
            problems.append(f"{node.name} ({node.op_type} is not on TensorRT 10.3's list)")
        for attribute in node.attribute:
            value = helper.get_attribute_value(attribute)
            if node.op_type == "Resize" and attribute.name == "mode" and value == b"cubic":
                problems.append(f"{node.name} (cubic)")
    return problems


def _types(model: onnx.ModelProto, precision: Precision) -> list[str]:
    """Every value a node computes is floating-point and of a known shape; no shapes are computed.

    FP32 graphs compute nothing but float32, the others float16 too, and INT8 graphs int8 between a
    QuantizeLinear and a DequantizeLinear.
    """
    allowed = {TensorProto.FLOAT} | ({TensorProto.FLOAT16} if precision != "fp32" else set())
    stored = {TensorProto.INT8, TensorProto.UINT8} if precision == "int8" else set()
    known = infer_types(model)
    problems = []
    for node in model.graph.node:
        for name in filter(None, node.output):
            kind = known.get(name)
            if kind is None or not all(d.dim_value for d in kind.tensor_type.shape.dim):
                problems.append(f"{node.name} (shape known only at run time)")
            elif kind.tensor_type.elem_type not in (
                stored if node.op_type == "QuantizeLinear" else allowed
            ):
                problems.append(f"{node.name} (computes {_type_name(kind)})")
    return problems


def _type_name(kind: onnx.TypeProto) -> str:
    element = kind.tensor_type.elem_type
    integers = (TensorProto.INT8, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64)
    return "integers" if element in integers else TensorProto.DataType.Name(element).lower()
