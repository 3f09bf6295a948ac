#!/usr/bin/env bash
# OpenVINO's Relu, Clip and Max turn NaN into a number on a CPU.
#
# Surprise: NaN goes into Relu and 0 comes out; Clip to [0, 6] gives 0, HardSigmoid gives 1. ONNX
# Runtime gives NaN for all of them. A network with NaN in its activations thus answers with
# plausible numbers. MaxPool and QuantizeLinear lose NaN in both runtimes.
#
# Hurt: whoever takes "the outputs are finite" as a sign that the network computed well.
#
# Advice: check inputs for NaN before the network; do not count on NaN to come through it.
set -euo pipefail
export ORT_DISABLE_TELEMETRY=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys

import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

print("OpenVINO", openvino.__version__.split("-")[0], "ONNX Runtime", onnxruntime.__version__)
given = np.array([[np.nan, -1, 2]], np.float32)


def scalar(name, value):
    return numpy_helper.from_array(np.array(value, np.float32), name)


def run(op, *names, **constants):
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node(op, ["x", *names], ["y"])],
        "one_node",
        [info("x", TensorProto.FLOAT, [1, 3])],
        [info("y", TensorProto.FLOAT, [1, 3])],
        [scalar(name, constants[name]) for name in names],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    data = model.SerializeToString()
    ort = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    ov = core.compile_model(core.read_model(data), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return ort.run(None, {"x": given})[0][0], ov({"x": given})[0][0]


stated = True
for op, constants in (
    ("Relu", {}), ("Clip", {"low": 0, "high": 6}), ("Max", {"low": 0}), ("HardSigmoid", {})
):
    ort, ov = run(op, *constants, **constants)
    print(f"{op} of {given[0]}: ONNX Runtime {ort}, OpenVINO {ov}")
    stated &= bool(np.isnan(ort[0])) and bool(np.isfinite(ov[0]))
sys.exit(0 if stated else "changed: the runtimes no longer do what the comment says")
PYTHON_CODE
