#!/usr/bin/env bash
# ONNX Runtime's set_denormal_as_zero changes NumPy's arithmetic in the whole thread, for good.
#
# Surprise: the entry session.set_denormal_as_zero belongs to one session. Creating that session
# switches the calling thread's processor to flush denormals to zero. The switch stays on after
# the session is gone, and threads that are started later inherit it.
#
# Hurt: code beside the network that counts on small float32 numbers, and tests that depend on the
# order.
#
# Advice: do not set it; scale the data, or run such a session in a process of its own.
set -euo pipefail
export ORT_DISABLE_TELEMETRY=1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import sys
import threading

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

print("ONNX Runtime", onnxruntime.__version__, "NumPy", np.__version__)


def tenth_of_1e_38():
    return float((np.full(8, 1e-38, np.float32) * np.float32(0.1))[0])


graph = helper.make_graph(
    [helper.make_node("Relu", ["x"], ["y"])],
    "relu",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
seen = [tenth_of_1e_38()]
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.set_denormal_as_zero", "1")
session = onnxruntime.InferenceSession(
    model.SerializeToString(), options, providers=["CPUExecutionProvider"]
)
del session
seen.append(tenth_of_1e_38())
thread = threading.Thread(target=lambda: seen.append(tenth_of_1e_38()))
thread.start()
thread.join()
print("NumPy's 1e-38 * 0.1 before, after the session is gone, in a new thread:", seen)
stated = seen[0] > 0 and seen[1] == 0 and seen[2] == 0
sys.exit(0 if stated else "changed: ONNX Runtime no longer does what the comment says")
PYTHON_CODE
