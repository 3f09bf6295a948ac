"""An engine's inputs and outputs against what the bundle promises, and how each is to be placed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lunar_runtime.backends.tensorrt.bindings.module import TensorRT
from lunar_runtime.backends.tensorrt.bindings.objects import ICudaEngine
from lunar_runtime.backends.tensorrt.description import Tensor
from lunar_runtime.bundles.manifest import GraphRecord
from lunar_runtime.errors import BundleError


@dataclass(frozen=True)
class Placement:
    """Where one tensor lives while the engine runs.

    Attributes:
        tensor: Which.
        mapped: In pinned memory that the GPU addresses itself, as an integrated GPU does at full
            speed; otherwise in device memory, copied from or to pinned memory on every run.
    """

    tensor: Tensor
    mapped: bool

    @property
    def numpy_type(self) -> type[np.generic]:
        """Of an element."""
        return np.dtype(self.tensor.dtype).type

    @property
    def bytes(self) -> int:
        """Of the tensor."""
        return math.prod(self.tensor.shape) * np.dtype(self.tensor.dtype).itemsize

    @property
    def device_bytes(self) -> int:
        """Allocated on the device besides the pinned memory."""
        return 0 if self.mapped else self.bytes


def read_tensors(trt: TensorRT, engine: ICudaEngine) -> tuple[Tensor, ...]:
    """Ask a loaded engine for its tensors."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return tuple(
        Tensor(
            name=name,
            mode=engine.get_tensor_mode(name).name.lower(),
            dtype=np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name,
            shape=tuple(engine.get_tensor_shape(name)),
            location=engine.get_tensor_location(name).name.lower(),
        )
        for name in names
    )


def place_tensors(
    tensors: tuple[Tensor, ...], graph: GraphRecord, integrated: bool, engine: Path | str
) -> tuple[Placement, ...]:
    """Place every tensor, inputs first, in the order of the manifest.

    Args:
        tensors: The engine's.
        graph: The bundle's.
        integrated: The GPU shares the CPU's memory.
        engine: Named in the error.

    Raises:
        BundleError: The engine has not exactly the graph's tensors.
    """
    again = "build it again with lunar-engine --overwrite"
    found = {tensor.name: tensor for tensor in tensors}
    promised = [(record, "input") for record in graph.inputs]
    promised += [(record, "output") for record in graph.outputs]
    extra = sorted(found.keys() - {record.name for record, _ in promised})
    if extra:
        raise BundleError(f"{engine}: has {extra[0]}, which the bundle's graph lacks; {again}")
    placements = []
    for record, mode in promised:
        tensor = found.get(record.name)
        expected = Tensor(record.name, mode, record.dtype, tuple(record.shape))
        if tensor is None:
            raise BundleError(f"{engine}: lacks the {mode} {record.name}; {again}")
        if tensor != expected:
            raise BundleError(
                f"{engine}: {record.name} is {_words(tensor)} instead of {_words(expected)}; "
                f"{again}"
            )
        placements.append(Placement(tensor, mapped=integrated))
    return tuple(placements)


def _words(tensor: Tensor) -> str:
    return f"{tensor.mode} {tensor.dtype} {tensor.shape} on the {tensor.location}"
