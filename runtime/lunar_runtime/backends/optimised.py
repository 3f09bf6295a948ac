"""A network as ONNX Runtime computes it: its graph after every rewrite, with weights of ours.

ONNX Runtime merges, reorders and packs weights when it loads a graph, so that the bytes that it
computes with are none of the file's. Here it rewrites the graph once, into memory. What comes out
has all weights as it wants them, is read by our own reader, and is loaded with these weights given
from outside and nothing left to rewrite or pack.

S0, 256 px, one thread, ONNX Runtime 1.32: outputs differ by what another order of additions does
(1e-6); 1 % slower, because products pack their matrices anew; 40 ms of processor time more to load.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.held_weights import HeldWeights
from lunar_runtime.bundles.onnx_file import read_onnx

_NO_PACKING = ("session.disable_prepacking", "1")


def optimised_graph(ort: Any, content: bytes, options: Any, given: list[Any]) -> bytes:
    """A graph as ONNX Runtime rewrites it.

    Args:
        ort: The library.
        content: Of the ONNX file.
        options: Of the session; changed.
        given: Values that `options` refer to, held until the graph is made.

    Returns:
        Another ONNX file, for this library on this processor.
    """
    file = os.memfd_create("lunar-optimised", os.MFD_CLOEXEC)
    try:
        options.optimized_model_filepath = f"/proc/self/fd/{file}"
        options.add_session_config_entry(*_NO_PACKING)
        ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        del given
        os.lseek(file, 0, os.SEEK_SET)
        with open(file, "rb", closefd=False) as stream:
            return stream.read()
    finally:
        os.close(file)


def held_weights(content: bytes) -> HeldWeights:
    """The weights of an ONNX file, in memory that can be checked.

    Raises:
        ValueError: It is no ONNX file.
    """
    values: dict[str, NDArray[np.generic]] = {}
    for weight in read_onnx(content).weights:
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


def session_of(
    ort: Any, content: bytes, options: Any, weights: HeldWeights
) -> tuple[Any, list[Any]]:
    """A session that computes with the weights that are held.

    Args:
        ort: The library.
        content: Of `optimised_graph`.
        options: Of the session; changed.
        weights: Of the same graph.

    Returns:
        The session, and what must live as long as it does beside the weights.
    """
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry(*_NO_PACKING)
    values = {
        name: ort.OrtValue.ortvalue_from_numpy(value) for name, value in weights.arrays.items()
    }
    for name, value in values.items():
        options.add_initializer(name, value)
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session, list(values.values())
