#!/usr/bin/env bash
# OpenVINO computes QLinearConv with per-channel weight scales wrongly, in silence.
#
# Surprise: ONNX's QLinearConv may have one weight scale for each output channel. OpenVINO spreads
# these scales over the input channels: more than nine of ten outputs are wrong, by up to 80 of
# 255 steps. The mistake is silent where the numbers of input and output channels are equal;
# otherwise the graph is refused. The same convolution as DequantizeLinear, Conv, QuantizeLinear
# is right, and ONNX Runtime agrees with ONNX's own reference.
#
# Hurt: INT8 models quantised for ONNX Runtime (its "QOperator" format) and run by OpenVINO.
#
# Advice: give OpenVINO graphs in Q/DQ form, and compare its outputs with a reference.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("OpenVINO", openvino.__version__.split("-")[0], "onnx", onnx.__version__)
random = np.random.default_rng(0)
CHANNELS = 8
x = random.integers(0, 256, (1, CHANNELS, 16, 16)).astype(np.uint8)
constants = {
    "xs": np.float32(0.05), "xz": np.uint8(128),
    "w": random.integers(-100, 101, (CHANNELS, CHANNELS, 3, 3)).astype(np.int8),
    "ws": random.uniform(0.001, 0.02, CHANNELS).astype(np.float32),
    "wz": np.zeros(CHANNELS, np.int8), "ys": np.float32(0.5), "yz": np.uint8(128),
}
node = helper.make_node
size = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
forms = {
    "QLinearConv": [node("QLinearConv", ["x", *constants], ["y"], **size)],
    "Q/DQ": [
        node("DequantizeLinear", ["x", "xs", "xz"], ["xf"]),
        node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
        node("Conv", ["xf", "wf"], ["yf"], **size),
        node("QuantizeLinear", ["yf", "ys", "yz"], ["y"]),
    ],
}
wrong = {}
for name, nodes in forms.items():
    graph = helper.make_graph(
        nodes,
        "convolution",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, x.shape)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    if name == "QLinearConv":
        truth = ReferenceEvaluator(model).run(None, {"x": x})[0].astype(int)
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    off = np.abs(compiled({"x": x})[0].astype(int) - truth)
    wrong[name] = np.mean(off > 1)
    print(f"{name}: {wrong[name]:.0%} of outputs wrong by more than a step, at most {off.max()}")
stated = wrong["QLinearConv"] > 0.5 and wrong["Q/DQ"] == 0
sys.exit(0 if stated else "changed: OpenVINO no longer does what the comment says")
PYTHON_CODE
