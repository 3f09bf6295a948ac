"""TensorRT and TensorRT-RTX: an engine from the bundle, on the GPU.

Everything is allocated when the engine is loaded, and the network runs once then; a run afterwards
allocates neither device nor pinned memory. Several of these may live in one process and be called
from several threads; each runs one pair at a time.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.backends.tensorrt import rtx_objects as rtx
from lunar_runtime.backends.tensorrt.buffers import BoundTensor
from lunar_runtime.backends.tensorrt.cuda_graph import CudaGraph
from lunar_runtime.backends.tensorrt.description import EngineDescription, parse_description
from lunar_runtime.backends.tensorrt.gpu import GpuSession, open_gpu
from lunar_runtime.backends.tensorrt.journal import Journal, make_logger
from lunar_runtime.backends.tensorrt.libraries import Library, LibraryName, import_library
from lunar_runtime.backends.tensorrt.objects import ICudaEngine, IExecutionContext
from lunar_runtime.backends.tensorrt.pycuda_driver import Event, Stream
from lunar_runtime.backends.tensorrt.store import StoredEngine, find_engine
from lunar_runtime.backends.tensorrt.tensors import plan_bindings, read_tensors
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, BundleError

_log = logging.getLogger(__name__)

STAGES = ("copy_in", "compute", "copy_out")


@dataclass(frozen=True)
class Plan:
    """A serialised engine and how to load it.

    Attributes:
        content: The bytes, verified.
        path: Named in errors.
        weight_stripped: Its weights come from the bundle's ONNX file.
        version_compatible: It carries code of its own, which TensorRT runs only when told to.
        cuda_graph: Run it as a CUDA graph.
    """

    content: memoryview
    path: Path
    weight_stripped: bool
    version_compatible: bool
    cuda_graph: bool

    @classmethod
    def stored(cls, engine: StoredEngine) -> Plan:
        """Read an engine of a bundle.

        Raises:
            BundleError: See `StoredEngine.read`.
        """
        record = engine.record
        return cls(
            engine.read(),
            engine.path,
            record.weight_stripped,
            record.key.version_compatible,
            record.cuda_graph,
        )


class TensorrtBackend:
    """A network in TensorRT; see `Backend`.

    Attributes:
        device_memory_bytes: Taken on the device by loading, everything included.
        stages_ms: Of the last run, between events on the GPU: `STAGES`.

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
        self.stages_ms: dict[str, float] = {}
        self._library = library
        self._plan = plan
        self._journal = Journal()
        self._logger = make_logger(library.trt, self._journal)
        self._lock = threading.Lock()
        self._session: GpuSession = open_gpu()
        self._graph: CudaGraph | None = None
        self._memory: list[BoundTensor] = []
        self._stream: Stream | None = None
        self._events: list[Event] = []
        self._engine: ICudaEngine | None = None
        self._context: IExecutionContext | None = None
        cuda = self._session.cuda
        with self._session.current():
            free, _ = cuda.mem_get_info()
            try:
                self._load(bundle)
                self._start()
            except cuda.Error as error:
                self._free()
                raise self._failure(f"while loading {plan.path.name}", error) from error
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
        images = {"left": left, "right": right}
        with self._lock:
            if self._context is None:
                raise BackendError("this network was closed; load the bundle again")
            self._check(images)
            with self._session.current():
                try:
                    return self._run(images)
                except self._session.cuda.Error as error:
                    raise self._failure("while running", error) from error

    def describe(self) -> EngineDescription:
        """Layers with their precision, and tensors, by TensorRT's inspector."""
        trt = self._library.trt
        with self._lock, self._session.current():
            if self._engine is None:
                raise BackendError("this network was closed; load the bundle again")
            inspector = self._engine.create_engine_inspector()
            text = inspector.get_engine_information(trt.LayerInformationFormat.ONELINE)
            tensors = read_tensors(trt, self._engine)
        return EngineDescription(parse_description(text).layers, tensors)

    def close(self) -> None:
        """Free the engine and its memory."""
        with self._lock, self._session.current():
            self._free()

    def _check(self, images: dict[str, NDArray[np.uint8]]) -> None:
        for bound in self._memory:
            tensor = bound.binding.tensor
            image = images.get(tensor.name)
            if image is not None and (image.shape != tensor.shape or image.dtype != np.uint8):
                raise BackendError(
                    f"{self.name} needs {tensor.name} as uint8 {tensor.shape}, not "
                    f"{image.dtype} {image.shape}"
                )

    def _load(self, bundle: Bundle) -> None:
        trt, plan = self._library.trt, self._plan
        runtime = trt.Runtime(self._logger)
        runtime.engine_host_code_allowed = plan.version_compatible
        self._engine = runtime.deserialize_cuda_engine(plan.content)
        if self._engine is None:
            raise self._failure(f"refuses {plan.path}")
        if plan.weight_stripped:
            self._refit(self._engine, bundle.model_path)
        bindings = plan_bindings(
            read_tensors(trt, self._engine),
            bundle.manifest.graph,
            self._session.gpu.integrated,
            plan.path,
        )
        self._context = self._make_context(self._engine)
        for binding in bindings:
            tensor = BoundTensor(self._session.cuda, binding)
            self._memory.append(tensor)
            if not self._context.set_tensor_address(binding.tensor.name, tensor.address):
                raise self._failure(f"refuses the address of {binding.tensor.name}")

    def _refit(self, engine: ICudaEngine, model: Path) -> None:
        trt = self._library.trt
        refitter = trt.Refitter(engine, self._logger)
        parser = trt.OnnxParserRefitter(refitter, self._logger)
        if not parser.refit_from_file(str(model)) or not refitter.refit_cuda_engine():
            reason = parser.get_error(0).desc() if parser.num_errors else self._journal.first_error
            raise BundleError(
                f"{self._plan.path}: {self.name} cannot take the weights from {model} ({reason}); "
                "build the engine again with lunar-engine --overwrite, without --weight-stripped"
            )

    def _make_context(self, engine: ICudaEngine) -> IExecutionContext:
        if self._library.rtx is not None:
            rtx_engine = cast(rtx.ICudaEngine, engine)
            config = rtx_engine.create_runtime_config()
            if self._plan.cuda_graph:
                strategy = self._library.rtx.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
                config.cuda_graph_strategy = strategy
            context = rtx_engine.create_execution_context(config)
        else:
            context = engine.create_execution_context()
        if context is None:
            raise self._failure("cannot make an execution context")
        return context

    def _start(self) -> None:
        """The first run: it compiles and allocates what the library puts off until then."""
        cuda = self._session.cuda
        stream = self._stream = cuda.Stream()
        self._events = [cuda.Event() for _ in range(len(STAGES) + 1)]
        for tensor in self._memory:
            tensor.host.fill(0)
        self._enqueue()
        stream.synchronize()
        # TensorRT-RTX captures by itself, and only what it has compiled.
        if self._plan.cuda_graph and self._library.rtx is None:
            self._graph = CudaGraph(stream.handle, self._enqueue)
        self._run({})

    def _enqueue(self) -> None:
        assert self._context is not None and self._stream is not None
        if not self._context.execute_async_v3(self._stream.handle):
            raise self._failure("cannot run")

    def _run(self, images: dict[str, NDArray[np.uint8]]) -> dict[str, NDArray[np.float32]]:
        stream, events = self._stream, self._events
        assert stream is not None
        for tensor in self._memory:
            if tensor.binding.tensor.name in images:
                tensor.fill(images[tensor.binding.tensor.name])
        inputs = [t for t in self._memory if t.binding.tensor.mode == "input"]
        outputs = [t for t in self._memory if t.binding.tensor.mode == "output"]
        events[0].record(stream)
        for tensor in inputs:
            tensor.copy_in(stream)
        events[1].record(stream)
        if self._graph is not None:
            self._graph.launch()
        else:
            self._enqueue()
        events[2].record(stream)
        for tensor in outputs:
            tensor.copy_out(stream)
        events[3].record(stream)
        stream.synchronize()
        self.stages_ms = {
            stage: events[number].time_till(events[number + 1])
            for number, stage in enumerate(STAGES)
        }
        return {t.binding.tensor.name: t.host.copy() for t in outputs}

    def _free(self) -> None:
        if self._graph is not None:
            self._graph.close()
            self._graph = None
        self._context = None
        self._engine = None
        # Here, where the context is current: pycuda cannot free them later from another thread.
        self._events.clear()
        self._stream = None
        while self._memory:
            self._memory.pop().free()

    def _failure(self, what: str, error: Exception | None = None) -> BackendError:
        said = str(error) if error else self._journal.first_error
        if self._journal.out_of_memory or "out of memory" in said:
            return BackendError(
                f"{self.name} ran out of memory ({said}); stop other programs that use the GPU, or "
                "use a smaller or lower-precision bundle"
            )
        return BackendError(
            f"{self.name} {what} ({said}); build the engine again on this machine with "
            "lunar-engine --overwrite, or run lunar-infer --backend onnxruntime"
        )
