"""Files that others give: regular ones, and nothing that blocks or never ends.

They are read whole, up to a size, or in slices.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lunar_runtime.errors import InputError

_MOST_AT_ONCE = 1 << 30  # Linux reads 2 GiB at most in one call
_STEP = 1 << 16  # of a file that the system gives no length, or that grows
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class FileSlices:
    """A file whose slices are bytes, read when they are asked for."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor, self._path = descriptor, path
        self._size = os.fstat(descriptor).st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, key: slice, /) -> bytes:
        start, stop, _ = key.indices(self._size)
        return self._read(start, stop)

    def whole(self, most_bytes: int) -> bytes:
        """All of it, up to a size; also where the system does not tell its length beforehand."""
        return self._read(0, most_bytes + 1)

    def _read(self, start: int, stop: int) -> bytes:
        parts = []
        while start < stop:
            # Python sets aside what is asked for, not what comes: no more than the file has.
            expected = max(self._size - start, _STEP)
            try:
                part = os.pread(self._descriptor, min(stop - start, expected, _MOST_AT_ONCE), start)
            except OSError as error:
                raise _unreadable(self._path, error) from error
            if not part:
                break
            parts.append(part)
            start += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


@contextmanager
def open_regular(path: str | os.PathLike[str], what: str) -> Iterator[FileSlices]:
    """Open a file to read parts of it.

    Args:
        path: The file.
        what: It should be, with its article, for the errors: `an image file`.

    Raises:
        InputError: It is missing, cannot be read, or is a folder, device or pipe.
    """
    file = Path(path)
    descriptor = _open(file, what)
    try:
        yield FileSlices(descriptor, file)
    finally:
        os.close(descriptor)


def open_stream(path: str | os.PathLike[str], what: str) -> BinaryIO:
    """Open a file as `open` does, its errors included, but never wait for a pipe's writer.

    Args:
        path: The file.
        what: It should be, with its article, for the errors: `an image file`.

    Raises:
        InputError: It is a device or pipe.
        OSError: As `open` does.
    """

    def without_waiting(name: str, flags: int) -> int:
        descriptor = os.open(name, flags | os.O_NONBLOCK)
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISDIR(mode):  # of a folder `open` has its own error
            try:
                _check_kind(Path(name), mode, what)
            except InputError:
                os.close(descriptor)
                raise
        return descriptor

    return open(path, "rb", opener=without_waiting)


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
    with open_regular(path, what) as content:
        check_bytes(path, content, most_bytes, too_large)
        return content.whole(most_bytes)


def check_bytes(
    path: str | os.PathLike[str], content: FileSlices, most_bytes: int, too_large: str
) -> None:
    """Refuse to read a file whole that is too large for it; see `read_regular`.

    Raises:
        InputError: It is.
    """
    if len(content) > most_bytes:
        raise InputError(f"{path}: {len(content) >> 20} MiB; {too_large}")


def _open(file: Path, what: str) -> int:
    try:
        # Not blocking: to open a pipe would wait for its writer, also if it became one just now.
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{file}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        _check_special(file, what)  # a socket, a device without a driver: they do not even open
        raise _unreadable(file, error) from error
    try:
        _check_kind(file, os.fstat(descriptor).st_mode, what)
    except InputError:
        os.close(descriptor)
        raise
    return descriptor


def _unreadable(file: Path, error: Exception) -> InputError:
    reason = getattr(error, "strerror", None) or error
    return InputError(f"{file}: cannot be read ({reason}); check the path")


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
