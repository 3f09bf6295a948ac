"""A small network that convolves: what an engine builder needs a kernel for."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .plane_bundle import OPSET


def convolving_model(size: int, channels: int) -> onnx.ModelProto:
    """Two 3 × 3 convolutions of the left image, as the outputs of a `left` bundle.

    Args:
        size: Height and width of the images.
        channels: Between the convolutions.
    """
    rng = np.random.default_rng(0)
    weights = {
        "first": rng.standard_normal((channels, 1, 3, 3)),
        "second": rng.standard_normal((4, channels, 3, 3)),
    }
    splits = np.array([3, 1], np.int64)
    nodes = [
        helper.make_node("Cast", ["left"], ["grey"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["grey", "first"], ["features"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["features"], ["active"]),
        helper.make_node("Conv", ["active", "second"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Transpose", ["maps"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Split", ["rows", "splits"], ["pointmap_left", "single"], axis=3),
        helper.make_node("Squeeze", ["single", "last"], ["confidence_left"]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolving",
        [
            helper.make_tensor_value_info(side, TensorProto.UINT8, (1, 1, size, size))
            for side in ("left", "right")
        ],
        [
            helper.make_tensor_value_info("pointmap_left", TensorProto.FLOAT, (1, size, size, 3)),
            helper.make_tensor_value_info("confidence_left", TensorProto.FLOAT, (1, size, size)),
        ],
        [
            *(numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()),
            numpy_helper.from_array(splits, "splits"),
            numpy_helper.from_array(np.array([3], np.int64), "last"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 9  # ONNX Runtime 1.18 reads up to 10
    onnx.checker.check_model(model)
    return model
