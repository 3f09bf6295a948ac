"""What this package touches of TensorRT's objects, by the library's own class names.

mypy holds the code to these protocols, and a test holds them to the real bindings of every
supported version: nothing may be added here that TensorRT 10.3, 10.16, 11.4 and TensorRT-RTX do not
all have.
"""

# ruff: noqa: D102 - the library documents its methods

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, SupportsInt

import numpy as np

# pybind11 enumerators: all that is asked of one is its number, or its name.


class Enumerator(SupportsInt, Protocol):
    """A value of one of TensorRT's enumerations."""

    @property
    def name(self) -> str:
        """As in the documentation."""
        ...


class ILogger(Protocol):
    """Base of the logger; see `journal`."""


class IProgressMonitor(Protocol):
    """Base of the progress monitor; see `progress`."""


class IHostMemory(Protocol):
    """A serialised engine or timing cache, readable as a buffer."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


class ITimingCache(Protocol):
    """What the builder measured; spares the next build the same measurements."""

    def serialize(self) -> IHostMemory: ...


class IBuilderConfig(Protocol):
    """How to build."""

    progress_monitor: Any
    profiling_verbosity: Any
    hardware_compatibility_level: Any

    def set_memory_pool_limit(self, pool: Enumerator, pool_size: int) -> None: ...
    def set_flag(self, flag: Enumerator) -> None: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None: ...
    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool: ...
    def get_timing_cache(self) -> ITimingCache | None: ...


class INetworkDefinition(Protocol):
    """A parsed graph."""


class Builder(Protocol):
    """Makes engines."""

    def create_network(self, flags: int) -> INetworkDefinition: ...
    def create_builder_config(self) -> IBuilderConfig: ...
    def build_serialized_network(
        self, network: INetworkDefinition, config: IBuilderConfig
    ) -> IHostMemory | None: ...


class ParserError(Protocol):
    """Why a node was not parsed."""

    def code(self) -> Enumerator: ...
    def desc(self) -> str: ...
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...


class OnnxParser(Protocol):
    """Reads an ONNX file into a network."""

    @property
    def num_errors(self) -> int: ...

    def parse(self, model: bytes, path: str) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class OnnxParserRefitter(Protocol):
    """Puts an ONNX file's weights into a weight-stripped engine."""

    @property
    def num_errors(self) -> int: ...

    def refit_from_bytes(self, model: bytes, path: str) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class Refitter(Protocol):
    """Changes the weights of an engine."""

    def refit_cuda_engine(self) -> bool: ...


class EngineInspector(Protocol):
    """Tells what an engine is made of."""

    def get_engine_information(self, format: Enumerator) -> str: ...  # noqa: A002


class IExecutionContext(Protocol):
    """An engine with the memory to run it once at a time."""

    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class ICudaEngine(Protocol):
    """An engine on the GPU."""

    @property
    def num_io_tensors(self) -> int: ...

    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> Enumerator: ...
    def get_tensor_dtype(self, name: str) -> Enumerator: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_location(self, name: str) -> Enumerator: ...
    def create_engine_inspector(self) -> EngineInspector: ...
    def create_execution_context(self) -> IExecutionContext | None: ...


class Runtime(Protocol):
    """Loads engines."""

    engine_host_code_allowed: bool

    def deserialize_cuda_engine(self, serialized_engine: memoryview) -> ICudaEngine | None: ...


class BuilderFlag(Protocol):
    """Of `IBuilderConfig.set_flag`. FP16 and INT8 are gone in 11: precision is in the graph."""

    STRIP_PLAN: Enumerator
    REFIT_IDENTICAL: Enumerator
    VERSION_COMPATIBLE: Enumerator


class MemoryPoolType(Protocol):
    """What `set_memory_pool_limit` limits."""

    WORKSPACE: Enumerator


class NetworkDefinitionCreationFlag(Protocol):
    """Of `Builder.create_network`."""

    STRONGLY_TYPED: Enumerator


class ProfilingVerbosity(Protocol):
    """How much an engine can tell about itself."""

    DETAILED: Enumerator


class HardwareCompatibilityLevel(Protocol):
    """Which other GPUs an engine must run on."""

    AMPERE_PLUS: Enumerator


class LayerInformationFormat(Protocol):
    """Of the inspector's answer."""

    ONELINE: Enumerator


NumpyType = type[np.generic]
