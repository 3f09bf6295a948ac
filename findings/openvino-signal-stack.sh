#!/usr/bin/env bash
# OpenVINO's CPU plugin gives the thread that loads it another alternate stack for signals.
#
# Surprise: faulthandler, and Python's own signal handlers with it, run on a stack of some 17 kB that
# faulthandler asks for. Asking a Core for its devices puts one of 11 568 bytes in its place, in the
# calling thread; the last Core takes it away again. The size of the stack that flight software set up
# for its handlers is silently gone. A process that used OpenVINO in several threads was seen to end
# with a segmentation fault and no traceback.
# ONNX Runtime leaves the stack as it is.
#
# Hurt: whoever installs handlers on a stack of their own (crash reports, guards against overflow),
# and whoever makes and drops Cores in a service with threads.
#
# Advice: make one Core in the main thread and keep it as long as the process; set up the signal
# stack after that.
set -euo pipefail
export ORT_DISABLE_TELEMETRY=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
case "$(uname -sm)" in "Linux x86_64") ;; *) echo "not tried: needs Linux on x86-64"; exit 0 ;; esac
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python -X faulthandler - <<'PYTHON_CODE'
import ctypes
import sys

import onnxruntime
import openvino
from onnx import TensorProto, helper


class Stack(ctypes.Structure):
    _fields_ = [("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("bytes", ctypes.c_size_t)]


def signal_stack():
    stack = Stack()
    ctypes.CDLL(None).sigaltstack(None, ctypes.byref(stack))
    return stack.start, stack.bytes


print("OpenVINO", openvino.__version__.split("-")[0], "ONNX Runtime", onnxruntime.__version__)
at_first = signal_stack()
info = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("Relu", ["x"], ["y"])],
    "one_node",
    [info("x", TensorProto.FLOAT, [1])],
    [info("y", TensorProto.FLOAT, [1])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
with_onnxruntime = signal_stack()
core = openvino.Core()
print("devices:", core.available_devices)
with_openvino = signal_stack()
del core
afterwards = signal_stack()
print(f"bytes of the signal stack: {at_first[1]} at first, {with_onnxruntime[1]} with ONNX Runtime,")
print(f"{with_openvino[1]} with OpenVINO, {afterwards[1]} when its Core is gone")
stated = at_first == with_onnxruntime == afterwards and with_openvino[0] != at_first[0]
sys.exit(0 if stated else "changed: the runtimes no longer do what the comment says")
PYTHON_CODE
