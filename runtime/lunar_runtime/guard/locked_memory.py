"""Memory that the kernel may not move to disk, so that no pair waits for it."""

from __future__ import annotations

import ctypes
import errno
import os

from lunar_runtime.errors import UsageError

_CURRENT, _FUTURE = 1, 2  # MCL_CURRENT, MCL_FUTURE
# Pages are locked when they are first used. Without it all of every mapping is read or zeroed when
# it is made: 723 MiB instead of 276 for a pair, and every large array of the loop again.
_WHEN_USED = 4  # MCL_ONFAULT, Linux 4.4


def lock_memory() -> None:
    """Lock all memory of the process that it uses, now and from now on.

    Raises:
        UsageError: The system does not allow it, or not as much.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "mlockall"):
        raise UsageError("`mlock`: this system cannot lock memory; leave it out")
    failed = libc.mlockall(_CURRENT | _FUTURE | _WHEN_USED) != 0
    if failed and ctypes.get_errno() == errno.EINVAL:  # an older kernel
        failed = libc.mlockall(_CURRENT | _FUTURE) != 0
    if failed:
        reason = os.strerror(ctypes.get_errno()).lower()
        raise UsageError(
            f"`mlock`: the system refuses to lock the process's memory ({reason}); raise its limit "
            "(ulimit -l, or LimitMEMLOCK= of a service), or leave it out"
        )
