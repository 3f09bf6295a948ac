"""Two names that change places in one step of the system's."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
# This kernel, file system or container cannot; nothing was changed.
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)


def exchange(one: Path, other: Path) -> bool:
    """Let two files or folders change names; False where the system cannot.

    Raises:
        OSError: It can, and refuses.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):  # of glibc 2.28; not of macOS
        return False
    paths = os.fsencode(one), os.fsencode(other)
    if libc.renameat2(_HERE, paths[0], _HERE, paths[1], _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _CANNOT:
        return False
    raise OSError(code, os.strerror(code), str(other))
