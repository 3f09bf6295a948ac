"""The weights of an ONNX model, apart from its structure.

Protobuf cannot serialise more than 2 GB, and every tool that rewrites a graph serialises it. A
model is therefore handled as its structure, in which large weights are inputs, and the weights.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, external_data_helper, helper


def size_bytes(tensor: TensorProto) -> int:
    """Bytes of a tensor's values."""
    count = int(np.prod(tensor.dims, dtype=np.int64))
    return count * int(helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)


def hold_out(model: onnx.ModelProto, names: Collection[str]) -> list[TensorProto]:
    """Make inputs of some weights, so that the model is small; `put_back` undoes it.

    Returns:
        The weights.
    """
    held = []
    for i in reversed(range(len(model.graph.initializer))):
        tensor = model.graph.initializer[i]
        if tensor.name in names:
            shape = helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            model.graph.input.append(shape)
            held.append(copy.deepcopy(tensor))
            del model.graph.initializer[i]
    return held


def put_back(model: onnx.ModelProto, held: Iterable[TensorProto]) -> None:
    """Make weights of the inputs that `hold_out` made; of those that are still used."""
    weights = {tensor.name: tensor for tensor in held}
    for i in reversed(range(len(model.graph.input))):
        if model.graph.input[i].name in weights:
            del model.graph.input[i]
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(tensor for name, tensor in weights.items() if name in used)


def drop_unread(model: onnx.ModelProto) -> None:
    """Remove the weights that no node reads."""
    read = {name for node in model.graph.node for name in node.input}
    for i in reversed(range(len(model.graph.initializer))):
        if model.graph.initializer[i].name not in read:
            del model.graph.initializer[i]


def load(tensors: Iterable[TensorProto], folder: Path) -> None:
    """Read the values of tensors that lie in a file beside the model."""
    for tensor in tensors:
        if external_data_helper.uses_external_data(tensor):
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]


def merge_equal(model: onnx.ModelProto) -> None:
    """Store equal weights once, whatever names they have."""
    first: dict[tuple[int, tuple[int, ...], bytes], str] = {}
    renamed: dict[str, str] = {}
    for tensor in model.graph.initializer:
        digest = hashlib.sha256(onnx.numpy_helper.to_array(tensor).tobytes()).digest()
        name = first.setdefault((tensor.data_type, tuple(tensor.dims), digest), tensor.name)
        if name != tensor.name:
            renamed[tensor.name] = name
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            if name in renamed:
                node.input[i] = renamed[name]
    for i in reversed(range(len(model.graph.initializer))):
        if model.graph.initializer[i].name in renamed:
            del model.graph.initializer[i]
