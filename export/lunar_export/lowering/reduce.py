"""From the FP32 graph to one of lower precision, by what was measured of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import onnx

from lunar_export.lowering.emulate import emulate_half
from lunar_export.lowering.half import islands, to_half
from lunar_export.lowering.half_weights import store_weights_in_half
from lunar_export.lowering.integer_kernels import use_integer_kernels
from lunar_export.lowering.placement import Placement, Target, place
from lunar_export.lowering.qdq import quantise
from lunar_export.lowering.ranges import ActivationRanges
from lunar_export.lowering.rewrite_cpu import rewritten_for_cpu
from lunar_export.lowering.thresholds import Method, thresholds

Precision = Literal["fp32", "fp16", "int8"]


@dataclass(frozen=True)
class Recipe:
    """How a graph is reduced.

    Attributes:
        precision: To what.
        target: For what.
        method: How INT8 clips activations.
        kept: Modules that keep the higher precision: FP16 beside INT8 for TensorRT, else FP32.
    """

    precision: Precision
    target: Target
    method: Method = "minmax"
    kept: frozenset[str] = frozenset()

    def keeping(self, modules: Collection[str]) -> Recipe:
        """The same with more modules kept."""
        return Recipe(self.precision, self.target, self.method, self.kept | frozenset(modules))


@dataclass(frozen=True)
class Reduced:
    """A graph of lower precision.

    Attributes:
        model: The graph.
        emulated: A graph that computes on this machine's CPU what `model` does on its target, where
            ONNX Runtime would compute something else; else `model` itself.
        kept: Layers that are of higher precision -> why.
    """

    model: onnx.ModelProto
    emulated: onnx.ModelProto
    kept: dict[str, str]


def reduce_precision(model: onnx.ModelProto, ranges: ActivationRanges, recipe: Recipe) -> Reduced:
    """Reduce a graph.

    Args:
        model: FP32. Not changed.
        ranges: Measured on it.
        recipe: What to make.
    """
    kept: dict[str, str] = {}
    made = emulated = model
    if recipe.precision == "int8":
        if recipe.target == "cpu":
            made = rewritten_for_cpu(model)
        placement = place(made, recipe.target, recipe.kept)
        made = emulated = _quantised(made, placement, ranges, recipe)
        kept |= placement.kept
    if recipe.precision == "fp16" or (recipe.precision == "int8" and recipe.target == "tensorrt"):
        peaks = {name: seen.peak for name, seen in ranges.tensors.items()}
        whole = islands(model, peaks)
        if recipe.precision == "fp16":
            whole |= {
                node.name: "sensitivity"
                for node in model.graph.node
                if node.name.rpartition("/")[0] in recipe.kept and node.name not in whole
            }
            kept = {name: why for name, why in whole.items() if why != "behind the last layer"}
        emulated = emulate_half(made, whole)
        made = to_half(made, whole)
    if recipe.precision == "int8" and recipe.target == "cpu":
        use_integer_kernels(made)
        store_weights_in_half(made)
    return Reduced(made, emulated, kept)


def _quantised(
    model: onnx.ModelProto, placement: Placement, ranges: ActivationRanges, recipe: Recipe
) -> onnx.ModelProto:
    limits = thresholds(ranges, recipe.method)
    means = {
        name: seen.channel_mean
        for name, seen in ranges.tensors.items()
        if seen.channel_mean is not None
    }
    half = recipe.target == "tensorrt"
    return quantise(model, placement, limits, half_scales=half, means=means)
