"""CUDA graphs through the driver itself: pycuda does not wrap them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress

from lunar_runtime.errors import BackendError

# Calls of other threads, of another runtime say, do not break the capture.
_THREAD_LOCAL = 1

_POINTER = ctypes.c_void_p
_PROTOTYPES: dict[str, tuple[type[ctypes._SimpleCData[object]] | type, ...]] = {
    "cuStreamBeginCapture_v2": (_POINTER, ctypes.c_int),
    "cuStreamEndCapture": (_POINTER, ctypes.POINTER(_POINTER)),
    "cuGraphInstantiateWithFlags": (ctypes.POINTER(_POINTER), _POINTER, ctypes.c_ulonglong),
    "cuGraphLaunch": (_POINTER, _POINTER),
    "cuGraphExecDestroy": (_POINTER,),
    "cuGraphDestroy": (_POINTER,),
}


class CudaGraph:
    """Work captured once and launched as one.

    Args:
        stream_handle: Of the stream that the work goes to; its context is current.
        enqueue: Puts the work on the stream, as it was put there at least once before.

    Raises:
        BackendError: The driver is older than CUDA 11.4, or the work cannot be captured.
    """

    def __init__(self, stream_handle: int, enqueue: Callable[[], None]) -> None:
        self._driver = _Driver()
        self._stream = _POINTER(stream_handle)
        graph, self._executable = _POINTER(), _POINTER()
        self._driver.call("cuStreamBeginCapture_v2", self._stream, _THREAD_LOCAL)
        try:
            enqueue()
        except BaseException:
            # A stream left capturing refuses all other work. What the driver says of a capture
            # that was broken off is a consequence: the cause is what `enqueue` says.
            with suppress(BackendError):
                self._driver.call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
                self._driver.call("cuGraphDestroy", graph)
            raise
        self._driver.call("cuStreamEndCapture", self._stream, ctypes.byref(graph))
        try:
            self._driver.call(
                "cuGraphInstantiateWithFlags", ctypes.byref(self._executable), graph, 0
            )
        finally:
            self._driver.call("cuGraphDestroy", graph)

    def launch(self) -> None:
        """Put the captured work on the stream."""
        self._driver.call("cuGraphLaunch", self._executable, self._stream)

    def close(self) -> None:
        """Free the graph; its context is current."""
        if self._executable:
            self._driver.call("cuGraphExecDestroy", self._executable)
            self._executable = _POINTER()


class _Driver:
    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libcuda.so.1")
            self._functions = {name: getattr(library, name) for name in _PROTOTYPES}
        except (OSError, AttributeError) as error:
            raise BackendError(
                f"this driver has no CUDA graphs ({error}); build the engine again with "
                "lunar-engine --no-cuda-graph --overwrite"
            ) from error
        for name, function in self._functions.items():
            function.argtypes, function.restype = _PROTOTYPES[name], ctypes.c_int

    def call(self, name: str, *arguments: object) -> None:
        status = self._functions[name](*arguments)
        if status:
            raise BackendError(
                f"{name} failed (CUDA error {status}); build the engine again with "
                "lunar-engine --no-cuda-graph --overwrite"
            )
