"""Which versions of ONNX's operators a graph may use, and operators that are not ONNX's."""

from __future__ import annotations

import onnx

#: What PyTorch's exporter writes natively.
TRACED = 18
#: The first in which QuantizeLinear takes FP16.
WITH_HALF_QDQ = 19
#: The last that the parser of JetPack 6's TensorRT 10.3 reads.
LATEST = 20
#: The last file format that ONNX Runtime 1.18 and TensorRT 10.3 read; opset 18 asks for 8.
LATEST_IR_VERSION = 10

#: The domain of ONNX Runtime's own operators, which no other library reads.
MICROSOFT = "com.microsoft"
#: The domain of ONNX's operators, under its two names.
DEFAULT_DOMAIN = ("", "ai.onnx")


def default_opset(model: onnx.ModelProto) -> int:
    """Version of the default domain."""
    return int(next(o.version for o in model.opset_import if o.domain in DEFAULT_DOMAIN))


def raise_opset(model: onnx.ModelProto) -> None:
    """Let a graph of opset 18 hold FP16 Q/DQ; its operators mean the same in 19."""
    for opset in model.opset_import:
        if opset.domain in DEFAULT_DOMAIN:
            opset.version = max(opset.version, WITH_HALF_QDQ)
