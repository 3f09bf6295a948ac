"""Bits of activations: at cut points of the graph, between one node and the next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from lunar_runtime.backends.activations import ActivationBounds
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import UsageError
from numpy.typing import NDArray

from lunar_bench.upsets.flip import Flip, flipped, make_flip
from lunar_bench.upsets.network_sites import Inputs, Outputs

_CUTS = 24
_LEAST = 1024  # values: a vector of gains is no map
_MAKERS = ("Conv", "MatMul", "Gemm", "LayerNormalization", "ConvTranspose", "Softmax")
_BEFORE = "/before"
_TYPES = {onnx.TensorProto.FLOAT: np.float32, onnx.TensorProto.FLOAT16: np.float16}


class ActivationSite:
    """Every cut point is written through a node that puts other values in some places.

    Args:
        bundle: In one ONNX file.
        inputs: Of the network, pair by pair.
        threads: Of the processor.

    Raises:
        UsageError: The graph's weights are in another file, or it has no point to cut.
    """

    def __init__(self, bundle: Bundle, inputs: Sequence[Inputs], threads: int | None) -> None:
        import onnxruntime

        model = bundle.model()
        if model.weights:
            raise UsageError("`sites` activations: needs a bundle whose graph is in one file")
        graph = onnx.load_from_string(model.content)
        self._names = [output.name for output in graph.graph.output]
        self._cuts = _open(graph)
        self._bounds = ActivationBounds(bundle.manifest.graph.activation_ranges)
        appendix = self._bounds.appendix(halves=bundle.manifest.precision != "fp32")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(
            graph.SerializeToString() + appendix, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = inputs
        self._values: dict[int, dict[str, NDArray[Any]]] = {}

    def draw(self, identity: str, pair: int, rng: np.random.Generator) -> Flip:
        """A random bit, every cut point alike probable."""
        cut = list(self._cuts)[int(rng.integers(len(self._cuts)))]
        values = self._clean(pair)[cut]
        return make_flip(identity, pair, cut, values, int(rng.integers(values.size)), rng)

    def outputs(self, flips: Sequence[Flip], pair: int) -> Outputs:
        """What the rest of the network makes of damaged activations."""
        found = self._session.run(self._names, self._damaged(flips, pair))
        return dict(zip(self._names, found, strict=True))

    def guards(self, flip: Flip) -> list[str]:
        """`bounds`: an activation leaves what the manifest says, as the runtime looks at it."""
        extremes = self._session.run(self._bounds.names, self._damaged([flip], flip.pair))
        return ["bounds"] if self._bounds.breach(extremes) else []

    def _damaged(self, flips: Sequence[Flip], pair: int) -> dict[str, NDArray[Any]]:
        """What to feed, so that the activations are damaged."""
        clean = self._clean(pair)
        feed = self._feed(pair)
        for cut in {flip.where for flip in flips}:
            own, values = [flip for flip in flips if flip.where == cut], clean[cut]
            places = [np.unravel_index(flip.element, values.shape) for flip in own]
            feed[f"{cut}/places"] = np.array(places, np.int64)
            feed[f"{cut}/values"] = np.array(
                [flipped(values.reshape(-1)[flip.element], flip.bit) for flip in own], values.dtype
            )
        return feed

    def _clean(self, pair: int) -> dict[str, NDArray[Any]]:
        if pair not in self._values:
            names = [cut + _BEFORE for cut in self._cuts]
            found = self._session.run(names, self._feed(pair))
            self._values[pair] = dict(zip(self._cuts, found, strict=True))
        return self._values[pair]

    def _feed(self, pair: int) -> dict[str, NDArray[Any]]:
        feed: dict[str, NDArray[Any]] = dict(
            zip(("left", "right"), self._inputs[pair], strict=True)
        )
        for cut, (rank, dtype) in self._cuts.items():
            feed[f"{cut}/places"] = np.zeros((0, rank), np.int64)
            feed[f"{cut}/values"] = np.zeros(0, dtype)
        return feed


def _open(model: onnx.ModelProto) -> dict[str, tuple[int, Any]]:
    """Put a node that takes other values behind every cut point; the points, by name."""
    inferred = onnx.shape_inference.infer_shapes(model)
    kinds = {value.name: value.type.tensor_type for value in inferred.graph.value_info}
    outputs = {value.name for value in model.graph.output}
    fit = [
        node
        for node in model.graph.node
        if node.op_type in _MAKERS
        and node.output[0] not in outputs
        and _size(kinds.get(node.output[0])) >= _LEAST
        and kinds[node.output[0]].elem_type in _TYPES
    ]
    if not fit:
        raise UsageError("`sites` activations: this graph has no point to cut; leave it out")
    chosen = [fit[i] for i in np.unique(np.linspace(0, len(fit) - 1, _CUTS).astype(int))]
    cuts, scatters = {}, []
    for node in chosen:
        name = node.output[0]
        kind = kinds[name]
        rank = len(kind.shape.dim)
        node.output[0] = name + _BEFORE
        parts = [name + _BEFORE, f"{name}/places", f"{name}/values"]
        scatters.append((node, onnx.helper.make_node("ScatterND", parts, [name])))
        count = f"{name}/count"  # of its own: ONNX Runtime takes equal names for equal sizes
        place = onnx.helper.make_tensor_value_info(parts[1], onnx.TensorProto.INT64, [count, rank])
        value = onnx.helper.make_tensor_value_info(parts[2], kind.elem_type, [count])
        model.graph.input.extend([place, value])
        model.graph.output.append(
            onnx.helper.make_tensor_value_info(
                parts[0], kind.elem_type, [d.dim_value for d in kind.shape.dim]
            )
        )
        cuts[name] = rank, _TYPES[kind.elem_type]
    nodes = []
    behind = {id(node): scatter for node, scatter in scatters}
    for node in model.graph.node:
        nodes.append(node)
        if id(node) in behind:
            nodes.append(behind[id(node)])
    ordered = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return cuts


def _size(kind: Any) -> int:
    if kind is None or not kind.HasField("shape"):
        return 0
    return int(np.prod([d.dim_value for d in kind.shape.dim]))
