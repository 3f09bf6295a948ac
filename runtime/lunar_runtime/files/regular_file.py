"""Files that others give: regular ones of a bounded size, and nothing that blocks or never ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lunar_runtime.errors import InputError

_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_regular(path: str | os.PathLike[str], most_bytes: int, what: str, too_large: str) -> bytes:
    """Read a file whole.

    Args:
        path: The file.
        most_bytes: A larger one is refused before it is read.
        what: It should be, with its article, for the errors: `an image file`.
        too_large: What to do about one that is larger.

    Raises:
        InputError: It is missing, too large, cannot be read, or is a folder, device or pipe.
    """
    file = Path(path)
    with _opened(file, what) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most_bytes:
            raise InputError(f"{file}: {size >> 20} MiB; {too_large}")
        return stream.read(most_bytes + 1)


def read_head(path: str | os.PathLike[str], most_bytes: int, what: str) -> bytes:
    """Read the start of a file, of whatever size it is.

    Args:
        path: The file.
        most_bytes: How much of it.
        what: It should be, with its article, for the errors.

    Raises:
        InputError: It is missing, cannot be read, or is a folder, device or pipe.
    """
    with _opened(Path(path), what) as stream:
        return stream.read(most_bytes)


@contextmanager
def _opened(file: Path, what: str) -> Iterator[IO[bytes]]:
    try:
        # Not blocking: to open a pipe would wait for its writer, also if it became one just now.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            _check_kind(file, os.fstat(descriptor).st_mode, what)
            yield stream
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{file}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        _check_special(file, what)  # a socket, a device without a driver: they do not even open
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read ({reason}); check the path") from error


def text_bytes(content: bytes, name: object) -> bytes:
    """A text file's UTF-8 without the mark that Windows puts in front.

    Raises:
        InputError: It is UTF-16, as Windows' consoles write it.
    """
    if content.startswith(_UTF16_BOMS):
        raise InputError(f"{name}: is UTF-16 text; save it as UTF-8")
    return content.removeprefix(_UTF8_BOM)


def _check_special(file: Path, what: str) -> None:
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError):
        return
    _check_kind(file, mode, what)


def _check_kind(file: Path, mode: int, what: str) -> None:
    if stat.S_ISDIR(mode):
        raise InputError(f"{file}: is a folder; give {what}")
    if not stat.S_ISREG(mode):
        raise InputError(f"{file}: is not a regular file; give {what}")
