#!/usr/bin/env bash
# ONNX Runtime 1.32 for Linux writes a device id and a database into the user's cache.
#
# Surprise: loading a model, not importing the package, creates a folder with a file "deviceid" (a
# UUID) and a database for telemetry below ~/.cache. disable_telemetry_events() does not prevent
# it. The environment variable ORT_DISABLE_TELEMETRY=1 does, if it is set before the import.
# Version 1.23.2 writes nothing. This script looks at files only; it does not judge what is sent.
#
# Hurt: read-only or shared home folders, flight and lab images that must be the same bytes,
# privacy rules.
#
# Advice: set ORT_DISABLE_TELEMETRY=1 in the image and at the top of the program.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
venv/bin/python - <<'PYTHON_CODE'
import os
import subprocess
import sys
from pathlib import Path

LOAD = """
import onnxruntime
from onnx import TensorProto, helper
info = helper.make_tensor_value_info
graph = helper.make_graph(
    [helper.make_node("Relu", ["x"], ["y"])],
    "relu", [info("x", TensorProto.FLOAT, [4])], [info("y", TensorProto.FLOAT, [4])],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
more
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


def files_written(name, more="", **environment):
    home = Path(name).absolute()
    home.mkdir()
    inherited = {key: os.environ[key] for key in os.environ if not key.startswith(("ORT_", "XDG_"))}
    subprocess.run(
        [sys.executable, "-c", LOAD.replace("more", more)],
        env={**inherited, "HOME": str(home), **environment},
        check=True,
    )
    return sorted(file.name for file in home.rglob("*") if file.is_file())


plain = files_written("plain")
asked = files_written("asked", "onnxruntime.disable_telemetry_events()")
off = files_written("off", ORT_DISABLE_TELEMETRY="1")
print("ONNX Runtime 1.32.0, files in an empty home folder after loading a model:")
print("  as it is:", plain)
print("  after disable_telemetry_events():", asked)
print("  with ORT_DISABLE_TELEMETRY=1:", off)
stated = "deviceid" in plain and "deviceid" in asked and not off
sys.exit(0 if stated else "changed: ONNX Runtime no longer does what the comment says")
PYTHON_CODE
