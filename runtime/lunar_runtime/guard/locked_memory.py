"""Memory that the kernel may not move to disk, so that no pair waits for it."""

from __future__ import annotations

import ctypes
import os

from lunar_runtime.errors import UsageError

_CURRENT, _FUTURE = 1, 2  # MCL_CURRENT, MCL_FUTURE


def lock_memory() -> None:
    """Lock all memory of the process, now and from now on.

    Raises:
        UsageError: The system does not allow it, or not as much.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mlockall"):
        raise UsageError("`mlock`: this system cannot lock memory; leave it out")
    if libc.mlockall(_CURRENT | _FUTURE) != 0:
        reason = os.strerror(ctypes.get_errno()).lower()
        raise UsageError(
            f"`mlock`: the system refuses to lock the process's memory ({reason}); raise its limit "
            "(ulimit -l, or LimitMEMLOCK= of a service), or leave it out"
        )
