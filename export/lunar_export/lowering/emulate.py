"""What FP16 arithmetic gives, computed where there is none.

ONNX Runtime runs FP16 operators on a CPU in FP32 and takes the casts between two of them away: what
overflows or is rounded on a GPU passes unseen. Here the graph is FP32, and every value that FP16
would hold is rounded to it by a cast of its own, which stays.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lunar_export.graph.opset import raise_opset
from lunar_export.graph.weights import drop_unread


def emulate_half(model: onnx.ModelProto, keep: Mapping[str, str]) -> onnx.ModelProto:
    """An FP32 graph that computes what `half.to_half` of the same arguments does on a GPU.

    Sums are not rounded: GPUs accumulate in FP32.

    Args:
        model: FP32, with or without Q/DQ. Not changed.
        keep: Nodes that stay FP32.
    """
    rounded = copy.deepcopy(model)
    raise_opset(rounded)
    graph = rounded.graph
    floats = {t.name: t for t in graph.initializer if t.data_type == TensorProto.FLOAT}
    computed = {name for node in graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
    made: dict[str, str] = {}  # what an FP16 node reads -> its rounded twin
    for node in graph.node:
        half = node.name not in keep and node.op_type not in ("Cast", "QuantizeLinear")
        for i, name in enumerate(node.input):
            if not half or not name or (name not in floats and name not in computed):
                continue
            if name in floats and node.op_type not in ("Resize", "DequantizeLinear"):
                if name not in made:
                    made[name] = f"{name}/rounded"
                    values = numpy_helper.to_array(floats[name]).astype(np.float16)
                    graph.initializer.append(
                        numpy_helper.from_array(values.astype(np.float32), made[name])
                    )
                node.input[i] = made[name]
        outputs = list(node.output)
        nodes.append(node)
        if half:
            for i, name in enumerate(outputs):
                node.output[i] = f"{name}/exact"
                nodes += [
                    helper.make_node(
                        "Cast", [f"{name}/exact"], [f"{name}/16"], name=f"{name}/down",
                        to=TensorProto.FLOAT16,
                    ),
                    helper.make_node(
                        "Cast", [f"{name}/16"], [name], name=f"{name}/up", to=TensorProto.FLOAT
                    ),
                ]  # fmt: skip
    del graph.node[:]
    graph.node.extend(nodes)
    drop_unread(rounded)
    del graph.value_info[:]
    return rounded
