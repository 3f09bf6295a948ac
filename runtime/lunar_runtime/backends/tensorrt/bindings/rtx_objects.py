"""What this package touches of TensorRT-RTX alone.

Its engines are built without a GPU, for a list of compute capabilities, and captured as CUDA graphs
by the library itself.
"""

# ruff: noqa: D102 - the library documents its methods

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lunar_runtime.backends.tensorrt.bindings import objects as objects
from lunar_runtime.backends.tensorrt.bindings.module import TensorRT


class IBuilderConfig(objects.IBuilderConfig, Protocol):
    """How to build, and for which GPUs."""

    num_compute_capabilities: int

    def set_compute_capability(
        self, compute_capability: objects.Enumerator, index: int
    ) -> bool: ...


class ComputeCapability(Protocol):
    """`SM80`, `SM86`, …: what can be built for depends on the version."""

    __members__: Mapping[str, objects.Enumerator]


class CudaGraphStrategy(Protocol):
    """Of `IRuntimeConfig`."""

    WHOLE_GRAPH_CAPTURE: objects.Enumerator


class IRuntimeConfig(Protocol):
    """How to make an execution context."""

    cuda_graph_strategy: Any


class ICudaEngine(objects.ICudaEngine, Protocol):
    """An engine whose context can be configured."""

    def create_runtime_config(self) -> IRuntimeConfig: ...
    def create_execution_context(  # type: ignore[override]
        self, runtime_config: IRuntimeConfig
    ) -> objects.IExecutionContext | None: ...


class TensorRTRTX(TensorRT, Protocol):
    """The module `tensorrt_rtx`."""

    ComputeCapability: ComputeCapability
    CudaGraphStrategy: CudaGraphStrategy
