#!/usr/bin/env bash
# OpenVINO's INT8 products saturate on x86 processors without VNNI, in silence.
#
# Surprise: a convolution as DequantizeLinear, Conv (int8 activations, int8 weights, both with
# zero-point 0) is exact on a processor with VNNI. Without VNNI two neighbouring products are added
# in 16 bits: with weights and activations at 127 almost nothing of the sum is left; with random
# weights a few per cent are lost. No option, log line or error says so. oneDNN's variable that
# limits the instructions shows it on a processor that has VNNI.
#
# Hurt: Q/DQ models that were quantised and checked on one processor and run on an older one.
#
# Advice: keep the sum of two neighbouring weights within 7 bits, or compare with a reference on the
# very machine.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --quiet openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cat > run.py <<'PYTHON_CODE'
import sys

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

CHANNELS = 64
random = np.random.default_rng(0)


def loss(weights, x):
    info, node = helper.make_tensor_value_info, helper.make_node
    constants = {
        "w": weights,
        "one": np.array(1 / 127, np.float32),
        "zero": np.array(0, np.int8),
        "scales": np.full(CHANNELS, 1 / 127, np.float32),
        "zeros": np.zeros(CHANNELS, np.int8),
    }
    graph = helper.make_graph(
        [
            node("DequantizeLinear", ["w", "scales", "zeros"], ["weights"], axis=0),
            node("QuantizeLinear", ["x", "one", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "one", "zero"], ["d"]),
            node("Conv", ["d", "weights"], ["y"]),
        ],
        "one_layer",
        [info("x", TensorProto.FLOAT, x.shape)],
        [info("y", TensorProto.FLOAT, (1, CHANNELS, 6, 6))],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    expected = ReferenceEvaluator(model).run(None, {"x": x})[0]
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", settings)
    return np.abs(compiled({"x": x})[0] - expected).max() / np.abs(expected).max()


largest = loss(
    np.full((CHANNELS, CHANNELS, 3, 3), 127, np.int8), np.ones((1, CHANNELS, 8, 8), np.float32)
)
weights = random.integers(-127, 128, (CHANNELS, CHANNELS, 3, 3), np.int8)
drawn = loss(weights, random.uniform(-1, 1, (1, CHANNELS, 8, 8)).astype(np.float32))
print(f"{sys.argv[1]}: all at 127, {largest:.1%} of the largest output lost; random, {drawn:.1%}")
sys.exit(0 if largest > 0.5 and drawn > 0.02 else 3 if max(largest, drawn) < 0.01 else 4)
PYTHON_CODE
if [ "$(uname -m)" != x86_64 ]; then
    echo "not tried: this is not an x86 processor"
    exit 0
fi
venv/bin/python -c "import openvino; print('OpenVINO', openvino.__version__.split('-')[0])"
as_it_is=0 limited=0
venv/bin/python run.py "as the processor is" || as_it_is=$?
ONEDNN_MAX_CPU_ISA=AVX2 venv/bin/python run.py "with AVX2 alone    " || limited=$?
if [ "$limited" = 0 ]; then
    exit 0
fi
echo "changed: OpenVINO no longer does what the comment says ($as_it_is, $limited)"
exit 1
