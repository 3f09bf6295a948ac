"""Types and shapes of the values that a graph computes."""

from __future__ import annotations

import copy

import onnx
from onnx import TensorProto

from lunar_export.graph import weights

# Shapes and indices, which decide other shapes, are smaller; without the rest a graph is small.
_LARGEST_READ_BYTES = 10_000


def infer_types(model: onnx.ModelProto) -> dict[str, onnx.TypeProto]:
    """Type of every computed value and every output whose type ONNX can tell.

    Args:
        model: Not changed.
    """
    structure = copy.deepcopy(model)
    large = {
        tensor.name
        for tensor in model.graph.initializer
        if weights.size_bytes(tensor) > _LARGEST_READ_BYTES
    }
    weights.hold_out(structure, large)
    inferred = onnx.shape_inference.infer_shapes(structure, strict_mode=True, data_prop=True)
    return {v.name: v.type for v in (*inferred.graph.value_info, *inferred.graph.output)}


def activation_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of every float32 tensor that a node computes."""
    computed = {name for node in model.graph.node for name in node.output if name}
    return {
        name: tuple(d.dim_value for d in kind.tensor_type.shape.dim)
        for name, kind in infer_types(model).items()
        if name in computed and kind.tensor_type.elem_type == TensorProto.FLOAT
    }


def every_shape(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of every input, constant and computed value."""
    values = {**infer_types(model), **{value.name: value.type for value in model.graph.input}}
    shapes = {
        name: tuple(d.dim_value for d in kind.tensor_type.shape.dim)
        for name, kind in values.items()
    }
    shapes.update((tensor.name, tuple(tensor.dims)) for tensor in model.graph.initializer)
    return shapes
