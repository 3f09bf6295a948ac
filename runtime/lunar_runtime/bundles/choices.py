"""What can be chosen of a bundle, spelled once: outputs, precision, target."""

from __future__ import annotations

from typing import Literal, get_args

#: What the graph gives: the left pointmap; both pointmaps; both and the descriptors.
OutputSet = Literal["left", "both", "all"]
OUTPUT_SETS: tuple[OutputSet, ...] = get_args(OutputSet)

#: Of the weights and of the arithmetic, where a layer was not kept higher.
Precision = Literal["fp32", "bf16", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

#: What the graph's Q/DQ and casts were placed for.
Target = Literal["cpu", "openvino", "tensorrt"]
TARGETS: tuple[Target, ...] = get_args(Target)

#: What OpenVINO computes in wherever a graph says float32.
Arithmetic = Literal["f32", "bf16", "f16"]

_LEFT = ("pointmap_left", "confidence_left")
_RIGHT = ("pointmap_right", "confidence_right")
_DESCRIPTORS = (
    "descriptors_left",
    "descriptor_confidence_left",
    "descriptors_right",
    "descriptor_confidence_right",
)
#: The tensors of each output set, in the order of the graph.
OUTPUT_NAMES: dict[OutputSet, tuple[str, ...]] = {
    "left": _LEFT,
    "both": _LEFT + _RIGHT,
    "all": _LEFT + _RIGHT + _DESCRIPTORS,
}
