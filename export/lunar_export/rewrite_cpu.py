"""What is rewritten in a graph for ONNX Runtime's CPU kernels alone."""

from __future__ import annotations

import onnx


def rewrite_for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in operators that run faster on a CPU.

    Args:
        model: After quantisation. May be changed.

    Returns:
        The rewritten graph; it may hold operators of ONNX Runtime's own.
    """
    return model
