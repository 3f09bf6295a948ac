"""What writers that were killed left behind: found by name, and by the lock that nobody holds.

A writer locks what it writes. The system gives the lock up when the process ends, however it ends.
Where a file system has no locks, nothing is ever taken for a leftover.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)


def make_locked(
    make: Callable[[Path], None], name: Callable[[str], Path], digits: int, locks: ExitStack
) -> Path:
    """Make a file or folder of a new name, locked for as long as `locks` lives.

    Another writer beside this one may take it for a leftover before it is locked. Then there is
    another one.

    Args:
        make: Makes it; fails where there is one.
        name: Gives its path, from digits that nobody else has.
        digits: So many bytes of them.
        locks: Holds the lock, where the file system has one.
    """
    while True:
        path = name(secrets.token_hex(digits))
        make(path)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        except OSError:  # no locks here: then nobody else gets one either
            pass
        if path.exists():
            locks.callback(os.close, descriptor)
            return path
        os.close(descriptor)


def sweep(leftovers: Iterator[Path], remove: Callable[[Path], object]) -> None:
    """Remove those that nobody writes any more, and say so.

    Args:
        leftovers: What may be some.
        remove: Removes one.
    """
    with suppress(OSError):  # the folder is not there, or not to be listed
        for leftover in list(leftovers):
            with suppress(OSError), _unwritten(leftover):  # else its writer lives, or it is a link
                remove(leftover)
                if not leftover.exists():
                    _log.warning("%s: removed; a writer that was killed had left it", leftover)


@contextmanager
def _unwritten(leftover: Path) -> Iterator[None]:
    """Hold the lock of one.

    Raises:
        OSError: It has a writer, or is a link, or another user's.
    """
    descriptor = os.open(leftover, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)
