"""Third stage: from the FP32 graph to one of lower precision, by what was measured of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass

import onnx
from lunar_runtime.bundles.choices import Arithmetic, Precision, Target

from lunar_export.choices import Method
from lunar_export.lowering.emulate import emulate_half
from lunar_export.lowering.half import islands, to_half
from lunar_export.lowering.half_weights import store_weights_in_half
from lunar_export.lowering.integer_kernels import use_integer_kernels
from lunar_export.lowering.measure import Measured
from lunar_export.lowering.placement import Placement, place
from lunar_export.lowering.projections import with_split_projections
from lunar_export.lowering.qdq import quantise
from lunar_export.lowering.rewrite_cpu import rewritten_for_cpu
from lunar_export.lowering.thresholds import threshold, thresholds


@dataclass(frozen=True)
class Recipe:
    """How a graph is lowered.

    Attributes:
        precision: To what.
        target: For what.
        method: How INT8 clips activations.
        kept: Modules that keep the higher precision: FP16 beside INT8 for TensorRT, else FP32.
        arithmetic: What OpenVINO computes in wherever the graph says float32.
    """

    precision: Precision
    target: Target
    method: Method = "minmax"
    kept: frozenset[str] = frozenset()
    arithmetic: Arithmetic = "f32"

    @property
    def whole(self) -> bool:
        """Whether the graph stays as it is, and OpenVINO computes all of it in one precision.

        OpenVINO 2026.4.1 has no islands to offer: its mark for nodes that keep their precision is
        lost where a product with weights is compiled, and fails to compile on convolutions alone.
        """
        return self.target == "openvino" and self.precision in ("bf16", "fp16")

    def keeping(self, modules: Collection[str]) -> Recipe:
        """The same with more modules kept."""
        return dataclasses.replace(self, kept=self.kept | frozenset(modules))


@dataclass(frozen=True)
class Lowered:
    """A graph of lower precision.

    Attributes:
        recipe: How it was made.
        model: The graph.
        emulated: A graph that computes on this machine's CPU what `model` does on its target, where
            that is not here; else `model` itself.
        kept: Layers that are of higher precision -> why.
    """

    recipe: Recipe
    model: onnx.ModelProto
    emulated: onnx.ModelProto
    kept: dict[str, str]


def lower(measured: Measured, recipe: Recipe) -> Lowered:
    """Lower a graph.

    Args:
        measured: The FP32 graph and its ranges. Not changed.
        recipe: What to make.
    """
    kept: dict[str, str] = {}
    made = emulated = measured.model
    if recipe.precision == "int8":
        if recipe.target == "cpu":
            made = rewritten_for_cpu(measured.model)
        elif recipe.target == "openvino":
            made = with_split_projections(measured.model)
        placement = place(made, recipe.target, recipe.kept)
        made = emulated = _quantised(made, placement, measured, recipe)
        kept |= placement.kept
    if recipe.whole:
        return Lowered(recipe, made, emulated, kept)
    if recipe.precision == "fp16" or (recipe.precision == "int8" and recipe.target == "tensorrt"):
        peaks = {name: seen.peak for name, seen in measured.ranges.items()}
        whole = islands(measured.model, peaks)
        if recipe.precision == "fp16":
            whole |= {
                node.name: "sensitivity"
                for node in measured.model.graph.node
                if node.name.rpartition("/")[0] in recipe.kept and node.name not in whole
            }
            kept = {name: why for name, why in whole.items() if why != "behind the last layer"}
        emulated = emulate_half(made, whole)
        made = to_half(made, whole)
    if recipe.precision == "int8" and recipe.target == "cpu":
        use_integer_kernels(made)
        store_weights_in_half(made)
    return Lowered(recipe, made, emulated, kept)


def _quantised(
    model: onnx.ModelProto, placement: Placement, measured: Measured, recipe: Recipe
) -> onnx.ModelProto:
    limits = thresholds(measured.ranges, recipe.method)
    # The largest queries and keys decide where an attention looks.
    for part in placement.scores:
        for name in (part.queries, part.keys):
            limits[name] = threshold(measured.ranges[name], "minmax")
    means = {
        name: seen.channel_mean
        for name, seen in measured.ranges.items()
        if seen.channel_mean is not None
    }
    half = recipe.target == "tensorrt"
    return quantise(model, placement, limits, half_scales=half, means=means)
