"""FP16 for a graph, with FP32 islands where FP16 would lose what matters.

Written with onnx alone: onnxruntime.transformers.float16 picks its islands by operator type for
the whole graph and casts at each of them; here an island is chosen by what it computes and by the
ranges that were measured, and neighbours in one precision share no cast.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lunar_export.graph.layers import outermost, tail, weight_layers
from lunar_export.graph.opset import raise_opset

LARGEST = 65504.0
# Between what calibration saw and infinity; a scene outside the calibration set is larger.
HEADROOM = 4.0
# Scores of attention round to 2^-5 between 64 and 128: their exponentials are then 3 % off.
LARGEST_SCORE = 64.0

# Statistics and sums over many values, and functions that leave FP16's range.
STATISTICS = {
    "LayerNormalization", "InstanceNormalization", "ReduceMean", "ReduceSum", "ReduceL2", "Exp",
    "Log", "Pow", "Sqrt", "Reciprocal",
}  # fmt: skip
# Inputs that stay what they are: shapes, indices, and the scales of a Resize.
_FIXED_INPUTS = {
    "Resize": (1, 2, 3), "Reshape": (1,), "Slice": (1, 2, 3, 4), "Gather": (1,), "Split": (1,),
    "Unsqueeze": (1,), "Squeeze": (1,), "Pad": (1, 3), "ReduceMean": (1,), "ReduceSum": (1,),
    "ReduceL2": (1,), "Expand": (1,), "Tile": (1,), "QuantizeLinear": (2,),
    "DequantizeLinear": (0, 2),
}  # fmt: skip


def islands(model: onnx.ModelProto, peaks: Mapping[str, float]) -> dict[str, str]:
    """Which nodes of an FP32 graph must stay FP32.

    Args:
        model: FP32.
        peaks: Per activation, the largest magnitude that was measured.

    Returns:
        Node -> why, in words.
    """
    layers = weight_layers(model)
    _, last = outermost(model, layers)
    after = tail(model, layers)
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {t.name: t for t in model.graph.initializer}
    reasons: dict[str, str] = {}
    for node in model.graph.node:
        if node.name in after:
            reasons[node.name] = "behind the last layer"
        elif node.name in last:
            reasons[node.name] = "last layer: the pointmap itself"
        elif node.op_type in STATISTICS:
            reasons[node.name] = "statistics"
        elif node.op_type == "Softmax" and peaks.get(node.input[0], 0) > LARGEST_SCORE:
            scores = peaks[node.input[0]]
            reasons[node.name] = f"scores up to {scores:.0f}"
            reasons[makers[node.input[0]].name] = f"scores up to {scores:.0f}"
        else:
            worst = max((peaks.get(n, 0.0) for n in (*node.input, *node.output)), default=0.0)
            if worst * HEADROOM > LARGEST:
                reasons[node.name] = f"values up to {worst:.3g}"
            elif any(_out_of_range(constants[n]) for n in node.input if n in constants):
                reasons[node.name] = "a constant that FP16 lacks"
    return reasons


def to_half(model: onnx.ModelProto, keep: Mapping[str, str]) -> onnx.ModelProto:
    """Give every node FP16 tensors, except those of `keep`; the graph's own outputs stay FP32.

    Args:
        model: FP32, with or without Q/DQ (a DQ takes the precision of who reads it). Not changed.
        keep: Nodes that stay FP32.
    """
    half = copy.deepcopy(model)
    raise_opset(half)
    return _Converter(half, set(keep)).run()


class _Converter:
    def __init__(self, model: onnx.ModelProto, keep: set[str]) -> None:
        self.model = model
        self.graph = model.graph
        self.floats = {
            t.name: t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT
        }
        self.keep = keep | self._quantisers_of(keep)
        self.halves: dict[str, NDArray[np.float16]] = {}
        self.whole: set[str] = set()  # constants that are read in FP32
        self.is_half: dict[str, bool] = {}  # of computed floating-point tensors
        self.casts: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []

    def run(self) -> onnx.ModelProto:
        finals = {value.name for value in self.graph.output}
        self._note_types()
        for node in self.graph.node:
            wants_half = node.name not in self.keep
            fixed = _FIXED_INPUTS.get(node.op_type, ())
            for i, name in enumerate(node.input):
                if name and i not in fixed:
                    node.input[i] = self._as(name, wants_half)
                elif name in self.floats:
                    self.whole.add(name)
            if node.op_type == "Cast":
                for attribute in node.attribute:
                    if attribute.name == "to" and attribute.i == TensorProto.FLOAT and wants_half:
                        attribute.i = TensorProto.FLOAT16
            self.nodes.append(node)
            for i, name in enumerate(node.output):
                if name in finals and self.is_half.get(name):
                    node.output[i] = f"{name}/half"
                    self.nodes.append(_cast(f"{name}/half", name, TensorProto.FLOAT))
        del self.graph.node[:]
        self.graph.node.extend(self.nodes)
        del self.graph.value_info[:]
        self._store_constants()
        return self.model

    def _quantisers_of(self, keep: set[str]) -> set[str]:
        """Q/DQ around a layer that is kept is kept with it."""
        readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        found: set[str] = set()
        for node in reversed(self.graph.node):
            if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                continue
            following = readers.get(node.output[0], [])
            if following and all(n.name in keep or n.name in found for n in following):
                found.add(node.name)
        return found

    def _note_types(self) -> None:
        """Which computed tensors are floating-point, and of which precision."""
        for value in self.graph.input:
            if value.type.tensor_type.elem_type == TensorProto.FLOAT:
                self.is_half[value.name] = False
        for node in self.graph.node:
            if node.op_type == "QuantizeLinear":
                continue
            whole = node.name in self.keep
            for name in node.output:
                if name:
                    self.is_half[name] = not whole

    def _as(self, name: str, half: bool) -> str:
        if name in self.floats:
            if not half:
                self.whole.add(name)
                return name
            other = f"{name}/half"
            if other not in self.halves:
                values = numpy_helper.to_array(self.floats[name])
                self.halves[other] = values.astype(np.float16)
            return other
        if name not in self.is_half or self.is_half[name] == half:
            return name
        other = f"{name}/{'half' if half else 'single'}"
        if name not in self.casts:
            self.casts[name] = other
            kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
            self.nodes.append(_cast(name, other, kind))
        return other

    def _store_constants(self) -> None:
        for i in reversed(range(len(self.graph.initializer))):
            tensor = self.graph.initializer[i]
            if tensor.name in self.floats and tensor.name not in self.whole:
                del self.graph.initializer[i]
        for name, values in self.halves.items():
            self.graph.initializer.append(numpy_helper.from_array(values, name))


def _cast(source: str, result: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [result], name=f"{result}/Cast", to=kind)


def _out_of_range(tensor: onnx.TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT:
        return False
    values = np.abs(numpy_helper.to_array(tensor))
    if np.max(values, initial=0.0) > LARGEST:
        return True
    # A lone constant guards a division or scales a whole tensor: it may not vanish.
    return values.size == 1 and 0 < float(values.reshape(-1)[0]) < 2.0**-14
