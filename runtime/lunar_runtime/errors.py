"""The one error tree of the project.

    LunarError                     exit 1, never raised itself
    ├── UsageError      ValueError   exit 2  options that contradict each other
    ├── InputError      ValueError   exit 3  an image, rig or data file that cannot be used
    ├── OutputError     OSError      exit 3  a result that cannot be written
    ├── CheckpointError ValueError   exit 3  weights that cannot be loaded
    ├── BundleError     ValueError   exit 3  a bundle that is incomplete, altered or foreign
    ├── BackendError    RuntimeError exit 4  an inference library or device that is not there
    ├── GateError       RuntimeError exit 5  a result outside the accuracy it must have
    └── DeadlineError   TimeoutError exit 7  nothing could be answered in time

Each also is a builtin, so that a caller who does not know this package can still catch it. The
message says what, where and the next step; a command line prints it as one line and exits with
`exit_code`.
"""

from __future__ import annotations

import errno

# What libraries say where they get no memory, each in its own class of errors: C++, Linux's loader,
# OpenCV, ONNX Runtime, PyTorch, Python's threads, and our own of another process.
_NO_MEMORY = (
    "bad_alloc",
    "bad allocation",
    "failed to map segment",
    "cannot allocate memory",
    "can't allocate memory",
    "can't start new thread",
    "insufficient memory",
    "failed to allocate memory",
    "out of memory",
    "memoryerror",
)


class LunarError(Exception):
    """Base of every expected failure."""

    exit_code = 1


class UsageError(LunarError, ValueError):
    """Options that contradict each other or make no sense together."""

    exit_code = 2


class InputError(LunarError, ValueError):
    """An image, rig or data file that cannot be used."""

    exit_code = 3


class OutputError(LunarError, OSError):
    """A result that cannot be written."""

    exit_code = 3


class CheckpointError(LunarError, ValueError):
    """Weights that cannot be loaded."""

    exit_code = 3


class BundleError(LunarError, ValueError):
    """A bundle that is incomplete, altered or made for something else."""

    exit_code = 3


class BackendError(LunarError, RuntimeError):
    """An inference library or device that was asked for and is not there."""

    exit_code = 4


class GateError(LunarError, RuntimeError):
    """A result outside the accuracy that it must have."""

    exit_code = 5


class DeadlineError(LunarError, TimeoutError):
    """Nothing could be answered within the deadline, and there is no earlier result."""

    exit_code = 7


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it was raised from, says that there is no more memory."""
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
            return True
        words = str(error).lower()
        if any(each in words for each in _NO_MEMORY):
            return True
        error = error.__cause__
    return False
