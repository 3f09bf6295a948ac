"""A graph's inputs and outputs in memory that two processes share."""

from __future__ import annotations

import math
import mmap

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.manifest import GraphRecord

_ALIGNED = 64  # bytes: of a cache line, and of what vector instructions like


def bytes_of(graph: GraphRecord) -> int:
    """Of all inputs and outputs."""
    return _places(graph)[-1][2]


class SharedArrays:
    """Views of the memory.

    Args:
        graph: Of the bundle.
        memory: Of `bytes_of(graph)` bytes or more.

    Attributes:
        inputs: (1, 1, H, W) uint8 by name.
        outputs: float32 by name.
    """

    def __init__(self, graph: GraphRecord, memory: mmap.mmap) -> None:
        self.inputs: dict[str, NDArray[np.uint8]] = {}
        self.outputs: dict[str, NDArray[np.float32]] = {}
        inputs = {record.name for record in graph.inputs}
        for name, shape, end in _places(graph):
            size = math.prod(shape)
            if name in inputs:
                start = end - _padded(size)
                self.inputs[name] = np.frombuffer(memory, np.uint8, size, start).reshape(shape)
            else:
                start = end - _padded(4 * size)
                self.outputs[name] = np.frombuffer(memory, np.float32, size, start).reshape(shape)

    def forget(self) -> None:
        """Let go of the memory, so that it can be closed."""
        self.inputs, self.outputs = {}, {}


def _places(graph: GraphRecord) -> list[tuple[str, tuple[int, ...], int]]:
    """Name, shape and end of each array."""
    places, end = [], 0
    for record in graph.inputs:
        end += _padded(math.prod(record.shape))
        places.append((record.name, tuple(record.shape), end))
    for record in graph.outputs:
        end += _padded(4 * math.prod(record.shape))
        places.append((record.name, tuple(record.shape), end))
    return places


def _padded(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
