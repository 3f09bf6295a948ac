"""The ONNX file as OpenVINO may have it: whole, in one piece, and without what it gets wrong."""

from __future__ import annotations

from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BundleError

# QLinearConv: its scales per output channel are spread over the input channels, 92 % of the values
# wrong. MatMulIntegerToFloat: its inputs are rounded to 8 bits again, an error of 3e-3 instead of
# 2e-7. Both in silence (OpenVINO 2026.4.1). Graphs made for ONNX Runtime's processors hold them.
_MISREAD = ("QLinearConv", "QLinearMatMul", "MatMulIntegerToFloat", "DynamicQuantizeMatMul")
_OP_TYPE = b"\x22"  # of a node in ONNX's protobuf: field 4, a string


def read_graph(bundle: Bundle) -> bytes:
    """The ONNX file of a bundle.

    Bytes, not a path: from a path OpenVINO maps the weights and goes on reading the file.

    Raises:
        BundleError: It holds operators that OpenVINO computes wrongly, or keeps its weights in a
            second file.
    """
    name = bundle.manifest.graph.file
    if any(other.startswith(f"{name}.") for other in bundle.manifest.files):
        raise BundleError(
            f"{bundle.model_path}: its weights are in a second file, which is not read for "
            "OpenVINO; run it with `backend` onnxruntime"
        )
    content = bundle.model().content
    found = [name for name in _MISREAD if _OP_TYPE + bytes([len(name)]) + name.encode() in content]
    if found:
        raise BundleError(
            f"{bundle.model_path}: has {' and '.join(found)}, which OpenVINO computes wrongly; it "
            "was made for ONNX Runtime: use `backend` onnxruntime, or export it again with "
            "lunar-export --target openvino"
        )
    return content
