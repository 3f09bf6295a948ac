#!/usr/bin/env bash
# A float16 graph on a CPU is computed in float32: overflow that a GPU will meet does not show.
#
# Surprise: in float16 exp(12) is infinite (the largest number is 65504), so that log(exp(12)) is
# infinite. ONNX Runtime and OpenVINO say 12 on a CPU. ONNX Runtime casts the nodes to float32 and
# removes the casts between them; OpenVINO does the like. Only inputs, outputs and weights are
# rounded.
#
# Hurt: whoever judges a float16 export on a CPU before it goes to a GPU, NPU or TensorRT.
#
# Advice: judge float16 on the device that flies, or emulate it by rounding after every node.
set -euo pipefail
export ORT_DISABLE_TELEMETRY=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import platform
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper

print("OpenVINO", openvino.__version__.split("-")[0], "ONNX Runtime", onnxruntime.__version__)
if platform.machine() != "x86_64":
    print("not tried: not this processor (it may have float16 arithmetic of its own)")
    sys.exit(0)
x = np.array([[1, 12]], np.float16)
graph = helper.make_graph(
    [helper.make_node("Exp", ["x"], ["large"]), helper.make_node("Log", ["large"], ["y"])],
    "overflow",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 2])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [1, 2])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnx.checker.check_model(model, full_check=True)
data = model.SerializeToString()
with np.errstate(over="ignore"):
    step_by_step = np.log(np.exp(x))[0]
session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
ort = session.run(None, {"x": x})[0][0]
core = openvino.Core()
compiled = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
ov = compiled({"x": x})[0][0]
print("log(exp([1 12])) in float16, node by node (NumPy):", step_by_step)
print("ONNX Runtime:", ort, ort.dtype, " OpenVINO, f32:", ov, ov.dtype)
stated = bool(np.isinf(step_by_step[1])) and ort[1] == 12 and ov[1] == 12
sys.exit(0 if stated else "changed: the runtimes no longer do what the comment says")
PYTHON_CODE
