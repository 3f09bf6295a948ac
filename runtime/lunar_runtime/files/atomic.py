"""Files appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from glob import escape
from pathlib import Path

from lunar_runtime.errors import LunarError, OutputError
from lunar_runtime.files.leftovers import make_locked, sweep

_NEW = ".lunar-"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; it takes `path`'s place at the end.

    A reader sees the old file or the complete new one, also after a power cut: the content is on
    the disk before the name changes. The temporary file has the same suffix, because many
    writers choose a format by it, and ordinary permissions. Whatever ends the block early
    removes it and leaves `path` as it was. Of a writer that was killed the next one of the same
    file removes it, and says so.

    Args:
        path: The file to create or replace. Its folder must exist.

    Yields:
        The temporary file: empty, in the same folder.

    Raises:
        OutputError: The folder is missing or read-only, the disk is full, `path` is a folder, or
            any other failure of the operating system inside the block.
    """
    target = Path(os.path.realpath(path))  # replace what a link points to, not the link
    sweep(target.parent.glob(f".{escape(target.stem)}{_NEW}*{escape(target.suffix)}"), Path.unlink)

    def name(digits: str) -> Path:
        return target.with_name(f".{target.stem}{_NEW}{digits}{target.suffix}")

    with ExitStack() as locks:
        try:
            temporary = make_locked(_make, name, 6, locks)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            yield temporary
            _flush_to_disk(temporary)
            temporary.replace(target)
        except LunarError:
            raise
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            with suppress(OSError):  # gone already when all went well
                temporary.unlink()


def make_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder and its parents, unless it is there.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def _make(path: Path) -> None:
    # O_EXCL: never somebody else's file. 0o666: the umask decides, as for any new file.
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _unwritable(path: str | os.PathLike[str], error: OSError) -> OutputError:
    why = (error.strerror or str(error)).lower()
    return OutputError(f"{path}: cannot write ({why}); choose another place")
