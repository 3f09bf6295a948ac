"""What TensorRT says while it works, and what of it a user needs to hear."""

from __future__ import annotations

import logging
import re
from typing import cast

from lunar_runtime.backends.tensorrt.bindings.module import TensorRT
from lunar_runtime.backends.tensorrt.bindings.objects import ILogger

_log = logging.getLogger(__name__)

# TensorRT's severities: 0 internal error, 1 error, 2 warning, 3 info, 4 verbose.
_ERROR, _WARNING = 1, 2
_DESCRIPTION = "Layers:"
_ACTIVATIONS = re.compile(r"Total Activation Memory: (\d+) bytes")
_WEIGHTS = re.compile(r"Total Weights Memory: (\d+) bytes")
_NO_MEMORY = re.compile(
    r"out ?of ?memory|cudaErrorMemoryAllocation|could not be allocated|insufficient memory"
    r"|failed to allocate|bad_alloc|cuda(?:Error)? (?:failure|error):? 2\b",
    re.IGNORECASE,
)
_NO_DRIVER = re.compile(
    r"cuda ?error:? (?:35|100)\b|driver version is insufficient|no CUDA-capable device"
    r"|CUDA initialization failure|status == CUDA_SUCCESS",
    re.IGNORECASE,
)
_REQUESTED = re.compile(r"Requested size was (\d+) bytes")
_TOO_LITTLE_WORKSPACE = re.compile(
    r"insufficient workspace|within workspace limit|could not find any implementation",
    re.IGNORECASE,
)


class Journal:
    """Listens to one TensorRT object.

    Attributes:
        errors: What was said at error severity, in order.
        description: The builder's own report of the finished engine, if it came.
        activations_bytes: Memory for intermediate values, as the builder counted it.
        weights_bytes: Memory for weights, likewise.
    """

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.description: str | None = None
        self.activations_bytes: int | None = None
        self.weights_bytes: int | None = None

    def hear(self, severity: int, message: str) -> None:
        """Take one message."""
        if severity <= _ERROR:
            self.errors.append(message)
            _log.info("%s", message)
        elif severity == _WARNING:
            _log.info("%s", message)
        elif message.startswith(_DESCRIPTION):
            self.description = message
        elif found := _ACTIVATIONS.search(message):
            self.activations_bytes = int(found[1])
        elif found := _WEIGHTS.search(message):
            self.weights_bytes = int(found[1])

    @property
    def out_of_memory(self) -> bool:
        """An allocation failed."""
        return self._said(_NO_MEMORY)

    @property
    def requested_bytes(self) -> int | None:
        """Size of the allocation that failed, if it was said."""
        found = _REQUESTED.search(" ".join(self.errors))
        return int(found[1]) if found else None

    @property
    def no_driver(self) -> bool:
        """The driver or the GPU is not there."""
        return self._said(_NO_DRIVER)

    @property
    def no_implementation(self) -> bool:
        """A layer had no kernel that fits into the workspace, or none at all."""
        return self._said(_TOO_LITTLE_WORKSPACE)

    @property
    def first_error(self) -> str:
        """The first error, on one line; what follows it is usually a consequence."""
        return " ".join(self.errors[0].split()) if self.errors else "it gave no reason"

    def _said(self, pattern: re.Pattern[str]) -> bool:
        return any(pattern.search(message) for message in self.errors)


def make_logger(trt: TensorRT, journal: Journal) -> ILogger:
    """A TensorRT logger that tells a journal everything."""
    base = trt.ILogger

    def initialise(self: object) -> None:
        base.__init__(self)  # type: ignore[misc] # pybind11 insists on it

    def log(self: object, severity: int, message: str) -> None:
        journal.hear(int(severity), message)

    return cast(ILogger, type("JournalLogger", (base,), {"__init__": initialise, "log": log})())
