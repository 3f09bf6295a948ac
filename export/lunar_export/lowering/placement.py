"""Where a target wants its Q/DQ: the one place for each target's rules.

TensorRT quantises a layer whose inputs are all dequantised, and keeps INT8 between layers by
itself; OpenVINO takes such a graph too, gains by integer scores of attention, and computes whole
integer operators wrongly. ONNX Runtime's CPU kernels differ from operator to operator: an integer
convolution (QLinearConv) needs its output and its bias quantised too, an integer matrix product
with floating-point output (MatMulIntegerToFloat) only its inputs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import onnx
from lunar_runtime.bundles.choices import Target

from lunar_export.graph.layers import (
    Layer,
    Scores,
    attention_scores,
    outermost,
    weight_layers,
)
from lunar_export.lowering.integer_maps import integer_maps

# What ONNX Runtime has integer kernels for on a CPU, with per-channel weights.
_CPU_KINDS = ("Conv", "MatMul")


@dataclass(frozen=True)
class Placement:
    """What of a graph is quantised.

    Attributes:
        layers: Whose activation and weights are.
        outputs: Tensors that are quantised where they are made, for all who read them.
        integer_bias: Store a layer's own bias as int32 in the scale of its products.
        unsigned: Store activations as uint8 with zero-point 128, not as int8.
        positive: Store what a Relu made as uint8 with zero-point 0, and so with twice the levels.
        pairs: Keep the sums of two neighbouring products within int16; see `qdq.neighbour_sums`.
        scores: Attentions whose queries and keys are quantised, and never clipped.
        kept: Layers that stay as they are -> why, in words.
        scale_of: Tensor -> the tensor whose scale and zero-point it shares.
        lifted: Layers whose bias is half an output step more, because what follows rounds down.
    """

    layers: tuple[Layer, ...]
    outputs: frozenset[str]
    integer_bias: bool
    unsigned: bool
    kept: dict[str, str]
    scale_of: Mapping[str, str] = field(default_factory=dict)
    lifted: frozenset[str] = frozenset()
    positive: bool = False
    pairs: bool = False
    scores: tuple[Scores, ...] = ()

    def tensors(self) -> list[str]:
        """Activations that need a scale."""
        attended = [name for scores in self.scores for name in (scores.queries, scores.keys)]
        read = [layer.data for layer in self.layers]
        return list(dict.fromkeys([*read, *attended, *sorted(self.outputs)]))


def place(model: onnx.ModelProto, target: Target, kept: Collection[str] = ()) -> Placement:
    """Apply a target's rules.

    Args:
        model: The FP32 graph.
        target: Whose rules.
        kept: Modules of layers and scores that were found to need the higher precision.

    Returns:
        The placement. It depends on the graph and `kept` alone, not on any range.
    """
    layers = weight_layers(model)
    scores = _scores(model, target)
    reasons = _kept_by_rule(model, layers)
    if target == "cpu":
        for layer in layers:
            if layer.kind not in _CPU_KINDS:
                reasons.setdefault(layer.node, f"no integer {layer.kind} on CPUs")
    parts: tuple[Layer | Scores, ...] = (*layers, *scores)
    for part in parts:
        if part.module in kept:
            reasons.setdefault(part.node, "sensitivity")
    chosen = tuple(layer for layer in layers if layer.node not in reasons)
    if target != "cpu":
        # Zero-points would keep OpenVINO from multiplying in 8 bits; an x86 processor without VNNI
        # saturates there as in ONNX Runtime, and in silence.
        x86 = target == "openvino"
        return Placement(
            chosen,
            frozenset(),
            integer_bias=False,
            unsigned=False,
            kept=reasons,
            positive=x86,
            pairs=x86,
            scores=tuple(part for part in scores if part.node not in reasons),
        )
    maps = integer_maps(model, chosen)
    return Placement(
        chosen,
        maps.tensors,
        integer_bias=True,
        unsigned=True,
        kept=reasons,
        scale_of=maps.scale_of,
        lifted=maps.lifted,
        positive=True,
        pairs=True,
    )


def placeable(model: onnx.ModelProto, target: Target) -> list[Layer | Scores]:
    """Everything that a target's placement quantises, but for what its rules keep."""
    return [*weight_layers(model), *_scores(model, target)]


def measured_tensors(model: onnx.ModelProto) -> list[str]:
    """Every activation that some placement may clip: what distributions are collected of."""
    layers = weight_layers(model)
    names = [name for layer in layers for name in (layer.data, layer.output)]
    return list(dict.fromkeys([*names, *sorted(integer_maps(model, layers).tensors)]))


def _scores(model: onnx.ModelProto, target: Target) -> list[Scores]:
    """Attentions whose scores a target multiplies in 8 bits and gains by it.

    The product with the values stays float: it sums a weight for every key, and of a thousand most
    are below half of 1/255 (docs/notes/precision.md).
    """
    return attention_scores(model) if target == "openvino" else []


def _kept_by_rule(model: onnx.ModelProto, layers: list[Layer]) -> dict[str, str]:
    first, last = outermost(model, layers)
    reasons = {}
    for layer in layers:
        if layer.node in first:
            reasons[layer.node] = "first layer: half a grey level would be lost"
        elif layer.node in last:
            reasons[layer.node] = "last layer: the pointmap itself"
    return reasons
