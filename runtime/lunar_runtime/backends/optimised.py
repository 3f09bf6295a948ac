"""A network as ONNX Runtime computes it: its graph after every rewrite, with weights of ours.

ONNX Runtime merges, reorders and packs weights when it loads a graph, so that the bytes that it
computes with are none of the file's. Here it rewrites the graph once, into memory. What comes out
has all weights as it wants them, is read by our own reader, and is loaded with these weights given
from outside and nothing left to rewrite or pack.

S0, 256 px, one thread, ONNX Runtime 1.32: outputs differ by what another order of additions does
(1e-6); 1 % slower, because products pack their matrices anew; 40 ms of processor time more to load.

Files are in memory, and the library is given their names: of 30 MB of weights that it reads from
a buffer it makes one copy more, and copies are the largest peak of the process (155 MiB; 210 with
buffers).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.held_weights import HeldWeights
from lunar_runtime.bundles.onnx_file import read_onnx

_NO_PACKING = ("session.disable_prepacking", "1")


@contextmanager
def memory_file() -> Iterator[int]:
    """An empty file in memory, by its descriptor."""
    file = os.memfd_create("lunar-graph", os.MFD_CLOEXEC)
    try:
        yield file
    finally:
        os.close(file)


def fill(file: int, *contents: bytes) -> None:
    """Write a file's content, one part after the other."""
    with open(file, "wb", closefd=False) as stream:
        for content in contents:
            stream.write(content)


def optimise(ort: Any, given: int, made: int, options: Any) -> None:
    """Have ONNX Runtime rewrite a graph, for this library on this processor.

    Args:
        ort: The library.
        given: The ONNX file, a `memory_file`.
        made: Another one, for what comes out.
        options: Of the session; changed.
    """
    options.optimized_model_filepath = _path(made)
    options.add_session_config_entry(*_NO_PACKING)
    ort.InferenceSession(_path(given), options, providers=["CPUExecutionProvider"])


def held_weights(file: int) -> HeldWeights:
    """The weights of an ONNX file, in memory that can be checked.

    Args:
        file: A `memory_file`.

    Raises:
        ValueError: It is no ONNX file.
    """
    content = mmap.mmap(file, os.fstat(file).st_size, prot=mmap.PROT_READ)
    values: dict[str, NDArray[np.generic]] = {}
    for weight in read_onnx(memoryview(content)).weights:
        if weight.values is None:
            continue
        try:
            dtype = np.dtype(weight.dtype)
        except TypeError:  # NumPy lacks some types: bfloat16
            continue
        if dtype.hasobject or not weight.values:
            continue
        values[weight.name] = np.frombuffer(weight.values, dtype).reshape(weight.shape)
    return HeldWeights(values)


def session_of(ort: Any, file: int, options: Any, weights: HeldWeights) -> tuple[Any, list[Any]]:
    """A session that computes with the weights that are held.

    Args:
        ort: The library.
        file: That `optimise` made; not read any more when this ends.
        options: Of the session; changed.
        weights: Of the same graph.

    Returns:
        The session, and what must live as long as it does beside the weights.
    """
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.execution_order = ort.ExecutionOrder.PRIORITY_BASED  # the file's, as `optimise` left it
    options.add_session_config_entry(*_NO_PACKING)
    values = {
        name: ort.OrtValue.ortvalue_from_numpy(value) for name, value in weights.arrays.items()
    }
    for name, value in values.items():
        options.add_initializer(name, value)
    session = ort.InferenceSession(_path(file), options, providers=["CPUExecutionProvider"])
    return session, list(values.values())


def _path(file: int) -> str:
    return f"/proc/self/fd/{file}"
