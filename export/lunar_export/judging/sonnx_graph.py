"""What an ONNX graph leaves unsaid, or has that the safety-related profile does not allow.

Every function gives the places where it is so, as texts; none is a graph without any.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
from onnx import TensorProto, defs, helper, numpy_helper

from lunar_export.graph import sonnx_set
from lunar_export.graph.opset import DEFAULT_DOMAIN, default_opset
from lunar_export.graph.shapes import infer_types
from lunar_export.graph.weights import size_bytes
from lunar_export.lowering.to_sonnx import operator_versions

_RANDOM = ("Random", "Multinomial", "Bernoulli")
_STATE = {"If", "Loop", "Scan", "Optional", "SequenceMap"}
_TRAINING = {"Dropout", "BatchNormalization"}
# Operators whose shape of output follows from values that are known only when the graph runs.
_DATA_SHAPES = {"NonZero", "Unique", "Compress", "ConstantOfShape", "Range", "Shape", "Size"}
_TYPED_DATA = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


def operators_outside(model: onnx.ModelProto) -> Iterator[str]:
    """Operators that are not in the profile's set."""
    counts = Counter(node.op_type for node in model.graph.node)
    for kind in sorted(set(counts) - sonnx_set.OPERATORS):
        yield f"{kind} ({counts[kind]} nodes)"


def other_than_functions(model: onnx.ModelProto) -> Iterator[str]:
    """Nodes that are random, or whose course depends on values."""
    for node in model.graph.node:
        if node.op_type.startswith(_RANDOM) or node.op_type in _STATE:
            yield f"{node.name} ({node.op_type})"


def training_parts(model: onnx.ModelProto) -> Iterator[str]:
    """Nodes for training, and parameters that a caller could exchange."""
    for node in model.graph.node:
        if node.op_type in _TRAINING:
            yield f"{node.name} ({node.op_type})"
    inputs = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.name in inputs:
            yield f"parameter {tensor.name} is an input too"


def not_onnx(model: onnx.ModelProto) -> Iterator[str]:
    """What makes it no graph of ONNX's own operators, or none at all."""
    for domain in sorted({node.domain for node in model.graph.node} - {*DEFAULT_DOMAIN}):
        yield f"operators of {domain}"
    if model.functions:
        yield f"{len(model.functions)} local functions"
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        yield f"onnx's checker: {' '.join(str(error).split())[:200]}"


def defaults(model: onnx.ModelProto) -> Iterator[str]:
    """Attributes and optional inputs that are left out, and so mean what ONNX's text says."""
    opset = default_opset(model)
    for node in model.graph.node:
        try:
            schema = defs.get_schema(node.op_type, opset, node.domain)
        except defs.SchemaError:  # REQ-OP-030 tells it
            continue
        given = {attribute.name for attribute in node.attribute}
        for name in schema.attributes:
            if name not in given and (node.op_type, name) not in sonnx_set.ALTERNATIVES:
                yield f"{node.name}: attribute {name}"
        one_of = sonnx_set.ONE_OF.get(node.op_type, ())
        for i, described in enumerate(schema.inputs):
            there = len(node.input) > i and bool(node.input[i])
            if not there and described.name not in one_of:
                yield f"{node.name}: input {described.name}"


def broken_structure(model: onnx.ModelProto) -> Iterator[str]:
    """What is read before it is there, written twice, or never read."""
    there = {value.name for value in model.graph.input}
    there.update(tensor.name for tensor in model.graph.initializer)
    read = {value.name for value in model.graph.output}
    names: Counter[str] = Counter()
    for node in model.graph.node:
        names[node.name] += 1
        read.update(node.input)
        for name in filter(None, node.input):
            if name not in there:
                yield f"{node.name} reads {name} before it is computed"
        for name in filter(None, node.output):
            if name in there:
                yield f"{name} is assigned twice"
            there.add(name)
    for name in sorted(there - read):
        yield f"{name} is never read"
    for name, count in sorted(names.items()):
        if count > 1 or not name:
            yield f"{count} nodes are called {name!r}"


def unsaid_types(model: onnx.ModelProto) -> Iterator[str]:
    """Values whose type or shape does not stand in the file, or is not what it is."""
    if model.graph.sparse_initializer:
        yield f"{len(model.graph.sparse_initializer)} sparse tensors"
    graph = model.graph
    said = {v.name: v.type for v in (*graph.value_info, *graph.input, *graph.output)}
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    try:
        inferred = infer_types(bare)
    except (onnx.shape_inference.InferenceError, ValueError) as error:
        yield f"shapes cannot be told: {' '.join(str(error).split())[:200]}"
        return
    for name in (
        *(value.name for value in graph.input),
        *(name for node in graph.node for name in node.output if name),
    ):
        kind = said.get(name)
        if kind is None or not kind.tensor_type.elem_type:
            yield f"{name} has no type"
        elif not kind.tensor_type.HasField("shape") or any(
            dimension.dim_value <= 0 for dimension in kind.tensor_type.shape.dim
        ):
            yield f"{name} has no fixed shape"
        elif name in inferred and inferred[name].tensor_type != kind.tensor_type:
            yield f"{name} is not of the type and shape that is said"
    for node in graph.node:
        if node.op_type in _DATA_SHAPES:
            yield f"{node.name} ({node.op_type}) computes a shape"


def spread_inputs(model: onnx.ModelProto) -> Iterator[str]:
    """Nodes that ONNX spreads an input of (broadcasting): their inputs differ in shape."""
    spread = {"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Where", "Equal", "Less", "Mod"}
    graph = model.graph
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.value_info, *graph.input, *graph.output)
    }
    shapes.update((tensor.name, list(tensor.dims)) for tensor in graph.initializer)
    for node in graph.node:
        if node.op_type in spread and len({tuple(shapes.get(n, ())) for n in node.input}) > 1:
            yield node.name


def restricted_convolutions(model: onnx.ModelProto) -> Iterator[str]:
    """Convolutions that the draft's text of the operator leaves out."""
    dims = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "ConvTranspose", "MaxPool"):
            continue
        values = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        if values.get("auto_pad") != b"NOTSET":
            yield f"{node.name}: auto_pad is not NOTSET"
        if len(values.get("kernel_shape", ())) != 2:
            yield f"{node.name}: not two spatial axes"
        weight = dims.get(node.input[1]) if len(node.input) > 1 else None
        if weight and node.op_type == "Conv" and values.get("group") not in (1, weight[0]):
            yield f"{node.name}: {values.get('group')} groups"


def unclear_versions(model: onnx.ModelProto) -> Iterator[str]:
    """What is unclear about the versions of the operators."""
    domains = Counter(opset.domain for opset in model.opset_import)
    for domain, count in sorted(domains.items()):
        if count > 1:
            yield f"{count} versions of domain {domain or 'ai.onnx'}"
    for domain in sorted(set(domains) - {node.domain for node in model.graph.node}):
        yield f"domain {domain or 'ai.onnx'} has a version and no operator"
    said = metadata(model).get(sonnx_set.OPERATOR_VERSIONS)
    if said is None:
        yield "no version of the single operators"
    else:
        try:
            right = said == json.dumps(operator_versions(model))
        except defs.SchemaError:
            right = False
        if not right:
            yield "the versions of the single operators are not those of the opset"


def inexact_parameters(model: onnx.ModelProto) -> Iterator[str]:
    """Parameters that are not written bit by bit, or are no numbers."""
    for tensor in model.graph.initializer:
        if any(getattr(tensor, field) for field in _TYPED_DATA) or tensor.string_data:
            continue  # protobuf's own numbers are exact too
        if tensor.data_location == TensorProto.EXTERNAL:
            yield f"{tensor.name} lies in another file"
        elif len(tensor.raw_data) != size_bytes(tensor):
            yield f"{tensor.name} is not as long as its shape says"
        elif not np.isfinite(numpy_helper.to_array(tensor)).all():
            yield f"{tensor.name} is not finite"


def undescribed(model: onnx.ModelProto) -> Iterator[str]:
    """Inputs and outputs without a description."""
    for value in (*model.graph.input, *model.graph.output):
        if not value.doc_string:
            yield value.name


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    """What the file says of itself."""
    return {prop.key: prop.value for prop in model.metadata_props}
