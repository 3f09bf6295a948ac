"""What this package touches of the modules `tensorrt` and `tensorrt_rtx`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lunar_runtime.backends.tensorrt.bindings import objects as objects


class TensorRT(Protocol):
    """Either module; both have all of this."""

    __version__: str

    ILogger: type
    IProgressMonitor: type
    Builder: Callable[[objects.ILogger], objects.Builder]
    OnnxParser: Callable[[objects.INetworkDefinition, objects.ILogger], objects.OnnxParser]
    OnnxParserRefitter: Callable[[objects.Refitter, objects.ILogger], objects.OnnxParserRefitter]
    Refitter: Callable[[objects.ICudaEngine, objects.ILogger], objects.Refitter]
    Runtime: Callable[[objects.ILogger], objects.Runtime]
    nptype: Callable[[objects.Enumerator], objects.NumpyType]

    BuilderFlag: objects.BuilderFlag
    MemoryPoolType: objects.MemoryPoolType
    NetworkDefinitionCreationFlag: objects.NetworkDefinitionCreationFlag
    ProfilingVerbosity: objects.ProfilingVerbosity
    HardwareCompatibilityLevel: objects.HardwareCompatibilityLevel
    LayerInformationFormat: objects.LayerInformationFormat
