"""TensorRT and TensorRT-RTX: an engine from the bundle, on the GPU.

Everything is allocated when the engine is loaded, and the network runs once then; a run afterwards
allocates neither device nor pinned memory. Several of these may live in one process and be called
from several threads; each runs one pair at a time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.tensorrt.bindings.pycuda_driver import Stream
from lunar_runtime.backends.tensorrt.buffers import TensorBuffer
from lunar_runtime.backends.tensorrt.cuda_graph import CudaGraph
from lunar_runtime.backends.tensorrt.description import EngineDescription
from lunar_runtime.backends.tensorrt.engine import LoadedEngine, Plan
from lunar_runtime.backends.tensorrt.gpu import GpuSession, open_gpu
from lunar_runtime.backends.tensorrt.libraries import Library, LibraryName, import_library
from lunar_runtime.backends.tensorrt.store import find_engine
from lunar_runtime.backends.tensorrt.tensors import place_tensors
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError

_log = logging.getLogger(__name__)


class TensorrtBackend:
    """A network in TensorRT; see `Backend`.

    Attributes:
        device_memory_bytes: Taken on the device by loading, everything included.

    Args:
        bundle: A verified bundle.
        library: What runs the engine.
        plan: The engine.

    Raises:
        BackendError: The GPU is not there, lacks memory, or TensorRT refuses the engine.
        BundleError: The engine is not what the bundle's manifest says.
    """

    def __init__(self, bundle: Bundle, library: Library, plan: Plan) -> None:
        self.name = str(library)
        self.device = "cuda"
        self.device_memory_bytes = 0
        self._lock = threading.Lock()
        self._session: GpuSession = open_gpu()
        self._engine: LoadedEngine | None = None
        self._buffers: list[TensorBuffer] = []
        self._stream: Stream | None = None
        self._graph: CudaGraph | None = None
        cuda = self._session.cuda
        with self._session.current():
            free, _ = cuda.mem_get_info()
            try:
                engine = self._engine = LoadedEngine(library, plan, bundle)
                try:
                    self._allocate(engine, bundle, plan)
                    self._start(engine, capture=plan.cuda_graph and library.rtx is None)
                except cuda.Error as error:
                    raise engine.failure(f"while loading {plan.path.name}", error) from error
            except BaseException:
                self._free()
                raise
            self.device_memory_bytes = max(0, free - cuda.mem_get_info()[0])
        _log.info(
            "%s on %s: %d MiB of device memory",
            self.name,
            self._session.gpu.name,
            self.device_memory_bytes >> 20,
        )

    @classmethod
    def from_bundle(cls, bundle: Bundle, name: LibraryName) -> TensorrtBackend:
        """Load the engine that the bundle has for this machine.

        Raises:
            BackendError: See the class; or there is no such engine.
            BundleError: The engine or its record is damaged.
        """
        library = import_library(name)
        stored = find_engine(bundle, name, library.version, open_gpu().gpu)
        if stored.record.golden is None:
            _log.warning(
                "%s was never checked on a GPU; `lunar-engine %s --check` does that",
                stored.path.name,
                bundle.path,
            )
        return cls(bundle, library, Plan.stored(stored))

    def run(
        self, left: NDArray[np.uint8], right: NDArray[np.uint8]
    ) -> dict[str, NDArray[np.float32]]:
        """Run one pair; see `Backend.run`."""
        return self.run_tensors({"left": left, "right": right})

    def run_tensors(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Run the engine once; see `TensorNetwork`."""
        with self._lock:
            engine = self._open_engine()
            self._check(inputs)
            with self._session.current():
                try:
                    return self._run(engine, inputs)
                except self._session.cuda.Error as error:
                    raise engine.failure("while running", error) from error

    def describe(self) -> EngineDescription:
        """Layers with their precision, and tensors, by TensorRT's inspector."""
        with self._lock, self._session.current():
            return self._open_engine().describe()

    def close(self) -> None:
        """Free the engine and its memory."""
        with self._lock, self._session.current():
            self._free()

    def _open_engine(self) -> LoadedEngine:
        if self._engine is None:
            raise BackendError("this network was closed; load the bundle again")
        return self._engine

    def _check(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        for buffer in self._buffers:
            tensor = buffer.placement.tensor
            given = inputs.get(tensor.name)
            if given is not None and (given.shape, given.dtype.name) != (
                tensor.shape,
                tensor.dtype,
            ):
                raise BackendError(
                    f"{self.name} needs {tensor.name} as {tensor.dtype} {tensor.shape}, not "
                    f"{given.dtype} {given.shape}"
                )

    def _allocate(self, engine: LoadedEngine, bundle: Bundle, plan: Plan) -> None:
        integrated = self._session.gpu.integrated
        graph = bundle.manifest.graph
        for placement in place_tensors(engine.tensors(), graph, integrated, plan.path):
            buffer = TensorBuffer(self._session.cuda, placement)
            self._buffers.append(buffer)
            engine.set_address(placement.tensor.name, buffer.address)

    def _start(self, engine: LoadedEngine, *, capture: bool) -> None:
        """The first run: it compiles and allocates what the library puts off until then.

        TensorRT-RTX captures the CUDA graph by itself, and only what it has compiled.
        """
        stream = self._stream = self._session.cuda.Stream()
        for buffer in self._buffers:
            buffer.host.fill(0)
        engine.enqueue(stream.handle)
        stream.synchronize()
        if capture:
            self._graph = CudaGraph(stream.handle, lambda: engine.enqueue(stream.handle))
        self._run(engine, {})

    def _run(
        self, engine: LoadedEngine, inputs: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[np.float32]]:
        stream = self._stream
        assert stream is not None
        for buffer in self._buffers:
            if buffer.placement.tensor.name in inputs:
                buffer.fill(inputs[buffer.placement.tensor.name])
        read = [b for b in self._buffers if b.placement.tensor.mode == "input"]
        outputs = [b for b in self._buffers if b.placement.tensor.mode == "output"]
        for buffer in read:
            buffer.copy_in(stream)
        if self._graph is not None:
            self._graph.launch()
        else:
            engine.enqueue(stream.handle)
        for buffer in outputs:
            buffer.copy_out(stream)
        stream.synchronize()
        return {b.placement.tensor.name: b.host.copy() for b in outputs}

    def _free(self) -> None:
        # In this order, and here, where the GPU's context is current: pycuda cannot free later,
        # from another thread.
        if self._graph is not None:
            self._graph.close()
            self._graph = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self._stream = None
        while self._buffers:
            self._buffers.pop().free()
