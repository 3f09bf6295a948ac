"""Explicit quantisation: QuantizeLinear and DequantizeLinear put into a graph.

Written with onnx alone: onnxruntime.quantization decides by operator type for a whole graph and
quantises a layer's output together with its inputs, whereas here every edge is decided by a
placement, one layer can be taken out again, and scales that TensorRT multiplies in FP16 are rounded
to FP16 *before* the weights are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from lunar_export.graph.layers import Layer, Scores
from lunar_export.graph.opset import raise_opset
from lunar_export.graph.weights import drop_unread
from lunar_export.lowering.placement import Placement
from lunar_export.lowering.thresholds import LEVELS

_SMALLEST_HALF = 2.0**-14  # below, FP16 loses bits


def quantise(
    model: onnx.ModelProto,
    placement: Placement,
    thresholds: Mapping[str, float],
    *,
    half_scales: bool = False,
    means: Mapping[str, NDArray[np.float64]] | None = None,
) -> onnx.ModelProto:
    """Quantise a graph: symmetric, zero-point 0, weights per output channel.

    Args:
        model: FP32. Not changed.
        placement: What is quantised.
        thresholds: Per activation, the magnitude that becomes 127; of keys, 63.
        half_scales: Make every scale a number that FP16 has.
        means: Per activation, the mean of every channel: a convolution's bias then takes what the
            rounding of its weights changes of its mean output.

    Returns:
        The same network with INT8 weights and Q/DQ nodes, scales in FP32.
    """
    quantised = copy.deepcopy(model)
    raise_opset(quantised)
    work = _Quantiser(quantised, thresholds, half_scales, placement, means or {})
    for layer in placement.layers:
        work.add_layer(layer, placement.integer_bias)
    for scores in placement.scores:
        work.add_scores(scores)
    work.rewire(placement)
    return quantised


def positive_tensors(model: onnx.ModelProto) -> set[str]:
    """What a Relu made, also where it was only moved about since."""
    positive: set[str] = set()
    for node in model.graph.node:
        moved = node.op_type in ("Split", "Transpose", "Reshape", "Slice", "Resize")
        if node.op_type == "Relu" or (moved and node.input[0] in positive):
            positive.update(node.output)
    return positive


def neighbour_sums(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Per output channel, the largest magnitude of a weight or of two neighbours of one sign.

    Without VNNI, x86 multiplies uint8 with int8 and adds two neighbouring products in int16, which
    saturates: 255·(127 + 127) > 32767. If such a sum is at most 127 steps (128 after rounding), it
    cannot. Half the range for every weight would do too, and cost a whole bit instead of about a
    quarter.

    Args:
        values: The weights.
        axis: Of the output channels.

    Returns:
        (output channels,).
    """
    rows = np.moveaxis(values, axis, 0)
    if rows.ndim == 4:  # a convolution runs over pixels first, and over channels within
        rows = rows.transpose(0, 2, 3, 1)
    rows = rows.reshape(len(rows), -1)
    pairs = np.pad(rows, ((0, 0), (0, rows.shape[1] % 2))).reshape(len(rows), -1, 2)
    signs = [np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)]
    return np.maximum(*signs).max(-1)  # type: ignore[no-any-return]


class _Quantiser:
    def __init__(
        self,
        model: onnx.ModelProto,
        thresholds: Mapping[str, float],
        half_scales: bool,
        placement: Placement,
        means: Mapping[str, NDArray[np.float64]],
    ) -> None:
        self.model, self.graph = model, model.graph
        self.values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.thresholds = thresholds
        self.half = half_scales
        self.means = means
        self.unsigned = placement.unsigned
        self.scale_of = placement.scale_of
        self.lifted = placement.lifted
        self.pairs = placement.pairs
        self.positive = positive_tensors(model) if placement.positive else set()
        self.keys = {scores.keys for scores in placement.scores}
        self.before: list[onnx.NodeProto] = []  # weights' DQ: they read nothing but constants
        self.weights: dict[tuple[str, int], tuple[str, NDArray[np.float32]]] = {}
        self.rounded: dict[str, NDArray[np.float64]] = {}  # weights as they are stored
        self.inputs: dict[tuple[str, int], str] = {}  # (node, input) -> what it reads instead

    def add_layer(self, layer: Layer, integer_bias: bool) -> None:
        weight, scales = self._weight(layer)
        self.inputs[layer.node, 1] = weight
        self.inputs[layer.node, 0] = f"{layer.data}/dequantised"
        if layer.bias is None or layer.kind != "Conv":
            return
        values = self._bias(layer)
        if not integer_bias:
            self._store(f"{layer.node}/bias", values.astype(np.float32))
            self.inputs[layer.node, 2] = f"{layer.node}/bias"
        else:
            scale = scales * self._scale(layer.data)
            if layer.node in self.lifted:
                values = values + 0.5 * self._scale(layer.output)
            bias = np.rint(values / scale.astype(np.float64))
            stored = np.clip(bias, -(2**31), 2**31 - 1).astype(np.int32)
            self.inputs[layer.node, 2] = self._dequantise(f"{layer.node}/bias", stored, scale, 0)

    def add_scores(self, scores: Scores) -> None:
        self.inputs[scores.node, 0] = f"{scores.queries}/dequantised"
        self.inputs[scores.node, 1] = f"{scores.keys}/dequantised"

    def _bias(self, layer: Layer) -> NDArray[np.float64]:
        assert layer.bias is not None
        bias = self.values[layer.bias].astype(np.float64)
        mean = self.means.get(layer.data)
        if mean is None:
            return bias
        weight = self.values[layer.weight].astype(np.float64)
        if weight.shape[1] != len(mean):  # in groups
            return bias
        lost = (weight - self.rounded[layer.weight]).sum((2, 3))
        return np.asarray(bias + lost @ mean, np.float64)

    def rewire(self, placement: Placement) -> None:
        """Put Q and DQ behind the tensors that are quantised and let the layers read them."""
        wanted = set(placement.tensors())
        nodes: list[onnx.NodeProto] = list(self.before)
        for value in self.graph.input:
            if value.name in wanted:
                nodes += self._pair(value.name)
        for node in self.graph.node:
            for i, name in enumerate(node.input):
                name = self.inputs.get((node.name, i), name)
                if name in placement.outputs:
                    name = f"{name}/dequantised"
                node.input[i] = name
            nodes.append(node)
            for name in node.output:
                if name in wanted:
                    nodes += self._pair(name)
        del self.graph.node[:]
        self.graph.node.extend(nodes)
        drop_unread(self.model)

    def _pair(self, name: str) -> list[onnx.NodeProto]:
        scale, zero = f"{name}/scale", f"{name}/zero"
        self._store(scale, self._scale(name))
        self._store(zero, self._zero_point(name))
        stored = f"{name}/quantised"
        return [
            helper.make_node(
                "QuantizeLinear", [name, scale, zero], [stored], name=f"{name}/QuantizeLinear"
            ),
            helper.make_node(
                "DequantizeLinear",
                [stored, scale, zero],
                [f"{name}/dequantised"],
                name=f"{name}/DequantizeLinear",
            ),
        ]

    def _weight(self, layer: Layer) -> tuple[str, NDArray[np.float32]]:
        key = layer.weight, layer.axis
        if key not in self.weights:
            values = self.values[layer.weight].astype(np.float64)
            others = tuple(i for i in range(values.ndim) if i != layer.axis)
            peaks = neighbour_sums(values, layer.axis) if self.pairs else np.abs(values).max(others)
            # A channel of zeros takes the largest scale there is, not 0/0.
            peaks = np.where(peaks > 0, peaks, peaks.max(initial=0.0) or 1.0)
            scales = self._representable(peaks / LEVELS)
            shape = [-1 if i == layer.axis else 1 for i in range(values.ndim)]
            steps = np.rint(values / scales.reshape(shape).astype(np.float64))
            stored: NDArray[np.int8] = np.clip(steps, -LEVELS, LEVELS).astype(np.int8)
            self.rounded[layer.weight] = stored * scales.astype(np.float64).reshape(shape)
            name = self._dequantise(layer.weight, stored, scales, layer.axis)
            self.weights[key] = name, scales
        return self.weights[key]

    def _scale(self, name: str) -> NDArray[np.float32]:
        name = self.scale_of.get(name, name)
        levels = 2 * LEVELS + 1 if name in self.positive else LEVELS
        if name in self.keys:  # they stand where weights do; see `neighbour_sums`
            levels = LEVELS // 2
        return self._representable(np.array(self.thresholds[name] / levels))

    def _zero_point(self, name: str) -> NDArray[np.integer]:
        if self.scale_of.get(name, name) in self.positive:
            return np.array(0, np.uint8)
        return np.array(128, np.uint8) if self.unsigned else np.array(0, np.int8)

    def _representable(self, scale: NDArray[np.float64]) -> NDArray[np.float32]:
        if self.half:
            scale = np.maximum(scale, _SMALLEST_HALF).astype(np.float16)
        return np.asarray(np.maximum(scale, np.finfo(np.float32).tiny), np.float32)

    def _dequantise(
        self, name: str, stored: NDArray[np.integer], scales: NDArray[np.float32], axis: int
    ) -> str:
        names = [f"{name}/integer", f"{name}/scales", f"{name}/zeros"]
        zeros = np.zeros(scales.shape, stored.dtype)
        for label, values in zip(names, (stored, scales, zeros), strict=True):
            self._store(label, values)
        output = f"{name}/dequantised"
        self.before.append(
            helper.make_node(
                "DequantizeLinear", names, [output], name=f"{name}/DequantizeLinear", axis=axis
            )
        )
        return output

    def _store(self, name: str, values: NDArray[np.generic] | np.generic) -> None:
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
