"""Weights stored in FP16 that are multiplied in FP32: half the bytes where INT8 did not hold.

The session converts them once, as it is loaded. What they lose by rounding (2^-11 of a weight at
most) is a thirtieth of what INT8 loses (root mean squares, S0's layers), is the same for every
pixel, and is in what the gate measures.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lunar_export.graph.layers import weight_layers
from lunar_export.lowering.half import LARGEST

FEWEST_VALUES = 1024  # values of which a node more is worth it


def store_weights_in_half(model: onnx.ModelProto) -> None:
    """Store the FP32 weights of layers in FP16, in place. What only moves pixels stays as it is.

    Args:
        model: After whatever looks for constant weights: behind this they are computed.
    """
    names = {layer.weight for layer in weight_layers(model)}
    casts = []
    for tensor in model.graph.initializer:
        if tensor.name not in names or tensor.data_type != TensorProto.FLOAT:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if values.size < FEWEST_VALUES or np.max(np.abs(values)) > LARGEST:
            continue
        stored = f"{name}/half"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(
            helper.make_node("Cast", [stored], [name], name=f"{name}/Cast", to=TensorProto.FLOAT)
        )
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
