"""What activations calibration pairs have at the cut points of a graph, for a bundle's manifest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import onnx
from lunar_calib.sets.calibration_set import CalibrationPair
from lunar_runtime.bundles.ranges import Range
from lunar_runtime.errors import InputError

from lunar_export.graph.cut_points import cut_points
from lunar_export.graph.split_graph import IMAGE, VIEWS
from lunar_export.graph.traced import Traced
from lunar_export.lowering.instrument import (
    HIGH,
    LOW,
    add_statistics,
    open_session,
    tensor_of,
    with_values,
)
from lunar_export.lowering.measure import Measured


class ActivationRanges(NamedTuple):
    """Tensor -> least and largest value.

    Attributes:
        model: Of the graph; where there are two, of the decoder.
        encoder: Of the encoder, where there are two.
    """

    model: Mapping[str, Range] = {}
    encoder: Mapping[str, Range] = {}


def measure_activations(
    traced: Traced,
    pairs: Sequence[CalibrationPair],
    work: Path,
    each: Callable[[], None] = lambda: None,
    *,
    threads: int | None = None,
) -> ActivationRanges:
    """Run pairs through the FP32 graph.

    Args:
        traced: With the graph, or both.
        pairs: To run.
        work: A folder for the instrumented graphs, which are deleted.
        each: Called after every pair.
        threads: Of the processor; None is one per core.

    Raises:
        InputError: An activation is not finite: the line names pair and tensor.
    """
    model = _Extremes(traced.model, work, threads)
    if traced.encoder is None:
        for pair in pairs:
            model.run(pair.name, {"left": pair.left[None, None], "right": pair.right[None, None]})
            each()
        return ActivationRanges(model.ranges)
    encoder = _Extremes(traced.encoder, work, threads)
    taken = [value.name for value in traced.model.graph.input]
    for pair in pairs:
        features = {}
        for view, image in zip(VIEWS, (pair.left, pair.right), strict=True):
            found = encoder.run(pair.name, {IMAGE: image[None, None]})
            features.update({f"{name}_{view}": values for name, values in found.items()})
        model.run(pair.name, {name: features[name] for name in taken})
        each()
    return ActivationRanges(model.ranges, encoder.ranges)


def kept_ranges(measured: Measured, lowered: onnx.ModelProto) -> ActivationRanges:
    """Of a lowered graph: ranges of the FP32 graph's cut points that are still in it.

    Args:
        measured: The FP32 graph with its ranges; without any where it was not measured.
        lowered: What became of it.
    """
    there = {name for node in lowered.graph.node for name in node.output}
    names = [name for name in cut_points(measured.model) if name in there & set(measured.ranges)]
    return ActivationRanges(
        {name: (measured.ranges[name].low, measured.ranges[name].high) for name in names}
    )


class _Extremes:
    """A graph that gives its outputs, and notes what its cut points had."""

    def __init__(self, model: onnx.ModelProto, work: Path, threads: int | None) -> None:
        outputs = [value.name for value in model.graph.output]
        instrumented = with_values(model, outputs)
        add_statistics(instrumented, dict.fromkeys(cut_points(model), ()), ())
        self._session = open_session(instrumented, work, threads)
        self._names = [value.name for value in self._session.get_outputs()]
        self.ranges: dict[str, Range] = {}

    def run(self, pair: str, feed: Mapping[str, Any]) -> dict[str, Any]:
        outputs = {}
        for name, values in zip(self._names, self._session.run(None, dict(feed)), strict=True):
            if not name.startswith((LOW, HIGH)):
                outputs[name] = values
                continue
            tensor, value = tensor_of(name), float(values)
            if not math.isfinite(value):
                raise InputError(
                    f"calibration pair {pair}: the network gives NaN or infinity at {tensor}; use "
                    "a checkpoint whose training did not diverge"
                )
            low, high = self.ranges.get(tensor, (value, value))
            self.ranges[tensor] = min(low, value), max(high, value)
        return outputs
