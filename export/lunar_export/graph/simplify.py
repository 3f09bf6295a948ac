"""From the tracer's graph to the smallest equal one."""

from __future__ import annotations

import logging
from pathlib import Path

import onnx
from lunar_runtime.version import __version__

from lunar_export.graph import weights
from lunar_export.graph.model_file import SIZES, SizeLimits
from lunar_export.graph.node_names import name_nodes
from lunar_export.graph.opset import LATEST_IR_VERSION

# It turns x·W + b of three-dimensional x into Reshape, Gemm, Reshape; TensorRT and ONNX Runtime
# both do better with the MatMul.
SKIPPED_OPTIMIZERS = ["fuse_matmul_add_bias_into_gemm_batched"]

_log = logging.getLogger(__name__)


def simplify(path: Path, sizes: SizeLimits = SIZES) -> tuple[onnx.ModelProto, str]:
    """Fold what is constant, drop what does nothing, store equal weights once.

    Args:
        path: A traced graph with its weights beside it.
        sizes: Beyond which size onnxsim gets the graph without its large matrices.

    Returns:
        The simplified model with its weights in memory, and what simplified it, in words.
    """
    import onnxsim

    model = onnx.load(path, load_external_data=False)
    name_nodes(model)
    total = sum(weights.size_bytes(tensor) for tensor in model.graph.initializer)
    large = _large_matrices(model, sizes.matrix_bytes) if total > sizes.whole_bytes else set()
    held = weights.hold_out(model, large)
    weights.load(model.graph.initializer, path.parent)
    simplified, _ = onnxsim.simplify(model, skipped_optimizers=SKIPPED_OPTIMIZERS)
    del model
    weights.put_back(simplified, held)
    weights.load(simplified.graph.initializer, path.parent)
    weights.merge_equal(simplified)
    how = f"onnxsim {onnxsim.__version__}"
    if held:
        how += f" on the graph without its {len(held)} large matrices"
    _log.info("simplified by %s", how)
    simplified.ir_version = min(simplified.ir_version, LATEST_IR_VERSION)
    simplified.producer_name = "lunar-export"
    simplified.producer_version = __version__
    return simplified, how


def _large_matrices(model: onnx.ModelProto, limit_bytes: int) -> set[str]:
    """Weights that only MatMul reads: nothing about them can be simplified."""
    readers: dict[str, set[str]] = {}
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            readers.setdefault(name, set()).add(node.op_type if i else "")
    return {
        tensor.name
        for tensor in model.graph.initializer
        if readers.get(tensor.name) == {"MatMul"} and weights.size_bytes(tensor) > limit_bytes
    }
