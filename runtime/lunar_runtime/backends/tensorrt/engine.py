"""An engine in TensorRT's hands: from the bytes of a plan to work on a stream."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from lunar_runtime.backends.tensorrt.bindings import rtx_objects as rtx
from lunar_runtime.backends.tensorrt.bindings.objects import ICudaEngine, IExecutionContext
from lunar_runtime.backends.tensorrt.description import (
    EngineDescription,
    Tensor,
    parse_description,
)
from lunar_runtime.backends.tensorrt.journal import Journal, make_logger
from lunar_runtime.backends.tensorrt.libraries import Library
from lunar_runtime.backends.tensorrt.store import StoredEngine
from lunar_runtime.backends.tensorrt.tensors import read_tensors
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.errors import BackendError, BundleError


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


class LoadedEngine:
    """An engine on the GPU with an execution context; the GPU's context is current in every call.

    Args:
        library: What runs the engine.
        plan: The engine.
        bundle: With the weights that a stripped plan lacks.

    Raises:
        BackendError: TensorRT refuses the engine.
        BundleError: TensorRT refuses the weights.
    """

    def __init__(self, library: Library, plan: Plan, bundle: Bundle) -> None:
        self._library = library
        self._plan = plan
        self._journal = Journal()
        self._logger = make_logger(library.trt, self._journal)
        self._engine = self._deserialize()
        try:
            if plan.weight_stripped:
                self._refit(bundle)
            self._context = self._make_context()
        except BaseException:
            del self._engine  # now, while the GPU's context is current
            raise

    def tensors(self) -> tuple[Tensor, ...]:
        """The engine's inputs and outputs."""
        return read_tensors(self._library.trt, self._engine)

    def describe(self) -> EngineDescription:
        """Layers with their precision, and tensors, by TensorRT's inspector."""
        inspector = self._engine.create_engine_inspector()
        oneline = self._library.trt.LayerInformationFormat.ONELINE
        text = inspector.get_engine_information(oneline)
        return EngineDescription(parse_description(text).layers, self.tensors())

    def set_address(self, tensor: str, address: int) -> None:
        """Say where a tensor is on the device.

        Raises:
            BackendError: TensorRT refuses it.
        """
        if not self._context.set_tensor_address(tensor, address):
            raise self.failure(f"refuses the address of {tensor}")

    def enqueue(self, stream_handle: int) -> None:
        """Put one run on a stream.

        Raises:
            BackendError: TensorRT cannot.
        """
        if not self._context.execute_async_v3(stream_handle):
            raise self.failure("cannot run")

    def close(self) -> None:
        """Free the context and the engine; nothing else may be called afterwards."""
        del self._context  # before its engine
        del self._engine

    def failure(self, what: str, error: Exception | None = None) -> BackendError:
        """What to raise when the library did not do `what`: with its reason, or `error`'s."""
        said = str(error) if error else self._journal.first_error
        if self._journal.out_of_memory or "out of memory" in said:
            return BackendError(
                f"{self._library} ran out of memory ({said}); stop other programs that use the "
                "GPU, or use a smaller or lower-precision bundle"
            )
        return BackendError(
            f"{self._library} {what} ({said}); build the engine again on this machine with "
            "lunar-engine --overwrite, or run lunar-infer --backend onnxruntime"
        )

    def _deserialize(self) -> ICudaEngine:
        runtime = self._library.trt.Runtime(self._logger)
        runtime.engine_host_code_allowed = self._plan.version_compatible
        engine = runtime.deserialize_cuda_engine(self._plan.content)
        if engine is None:
            raise self.failure(f"refuses {self._plan.path}")
        return engine

    def _refit(self, bundle: Bundle) -> None:
        trt = self._library.trt
        refitter = trt.Refitter(self._engine, self._logger)
        parser = trt.OnnxParserRefitter(refitter, self._logger)
        path, content = bundle.model_path, bundle.model().content
        if not parser.refit_from_bytes(content, str(path)) or not refitter.refit_cuda_engine():
            reason = parser.get_error(0).desc() if parser.num_errors else self._journal.first_error
            raise BundleError(
                f"{self._plan.path}: {self._library} cannot take the weights from {path} "
                f"({reason}); build the engine again with lunar-engine --overwrite, without "
                "--weight-stripped"
            )

    def _make_context(self) -> IExecutionContext:
        if self._library.rtx is not None:
            engine = cast(rtx.ICudaEngine, self._engine)
            config = engine.create_runtime_config()
            if self._plan.cuda_graph:
                strategy = self._library.rtx.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
                config.cuda_graph_strategy = strategy
            context = engine.create_execution_context(config)
        else:
            context = self._engine.create_execution_context()
        if context is None:
            raise self.failure("cannot make an execution context")
        return context
