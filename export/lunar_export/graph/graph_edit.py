"""Looking around in an ONNX graph, and changing it in place."""

from __future__ import annotations

import copy
from collections.abc import Collection, MutableSequence, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper


class GraphEdit:
    """A graph's nodes by what they read and write.

    Replaced nodes leave at once; `finish` drops whatever nothing reads any more.

    Args:
        model: Changed in place, its weights in memory.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self._graph = model.graph
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._nodes: list[onnx.NodeProto] = list(model.graph.node)
        self._outputs = {value.name for value in model.graph.output}
        self._makers: dict[str, onnx.NodeProto] = {}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        self._add(self._nodes)

    @property
    def nodes(self) -> tuple[onnx.NodeProto, ...]:
        """The nodes in order of execution, as they are now."""
        return tuple(self._nodes)

    def maker(self, tensor: str, *operators: str) -> onnx.NodeProto | None:
        """The node that writes a tensor, if it is one of these operators."""
        node = self._makers.get(tensor)
        return node if node is not None and node.op_type in operators else None

    def readers(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that read a tensor."""
        return self._readers.get(tensor, [])

    def used_once(self, tensor: str) -> bool:
        """Whether one node reads a tensor, once, and it is no output of the graph."""
        reads = [name for node in self.readers(tensor) for name in node.input if name == tensor]
        return len(reads) == 1 and tensor not in self._outputs

    def constant(self, tensor: str) -> NDArray[np.generic] | None:
        """A constant's values; None for what is computed."""
        stored = self._constants.get(tensor)
        return None if stored is None else numpy_helper.to_array(stored)

    def is_vector(self, tensor: str) -> bool:
        """Whether a tensor is a constant of one dimension."""
        values = self.constant(tensor)
        return values is not None and values.ndim == 1

    def add_constant(self, name: str, values: NDArray[np.generic]) -> str:
        """Store a constant.

        Returns:
            Its name: `name`, with a number if that one is taken.
        """
        free, number = name, 2
        while free in self._constants or free in self._makers:
            free, number = f"{name}_{number}", number + 1
        tensor = numpy_helper.from_array(np.ascontiguousarray(values), free)
        self._constants[free] = tensor
        return free

    def replace(self, place: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> None:
        """Put nodes where another one is. Nodes that are in the graph are not to be changed."""
        at = next(i for i, node in enumerate(self._nodes) if node is place)
        self._nodes[at : at + 1] = nodes
        for name in place.output:
            self._makers.pop(name, None)
        for name in set(place.input):
            self._readers[name] = [node for node in self._readers[name] if node is not place]
        self._add(nodes)

    def finish(self) -> None:
        """Write the changed graph back, without what nothing reads."""
        needed = set(self._outputs)
        kept = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                kept.append(node)
                needed.update(node.input)
        nodes = [copy.deepcopy(node) for node in reversed(kept)]
        del self._graph.node[:]
        self._graph.node.extend(nodes)
        written = {name for node in nodes for name in node.output}
        _drop_others(self._graph.value_info, written)
        _drop_others(self._graph.initializer, needed)
        there = {tensor.name for tensor in self._graph.initializer}
        new = (name for name in self._constants if name in needed and name not in there)
        self._graph.initializer.extend(self._constants[name] for name in new)

    def _add(self, nodes: Sequence[onnx.NodeProto]) -> None:
        for node in nodes:
            self._makers.update((name, node) for name in node.output if name)
            for name in set(node.input):
                self._readers.setdefault(name, []).append(node)


def attribute(node: onnx.NodeProto, name: str, default: object = None) -> object:
    """An attribute's value."""
    for given in node.attribute:
        if given.name == name:
            return onnx.helper.get_attribute_value(given)
    return default


def _drop_others(field: MutableSequence[Any], names: Collection[str]) -> None:
    for i in reversed(range(len(field))):
        if field[i].name not in names:
            del field[i]
