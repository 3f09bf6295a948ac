"""Folders for what is needed on the way, in the system's place for temporary files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lunar_runtime.errors import OutputError
from lunar_runtime.files.leftovers import make_locked, sweep


@contextmanager
def work_folder(tool: str, room: str = "more room") -> Iterator[Path]:
    """A folder that is deleted; what killed processes of the tool left is deleted first, and told.

    Args:
        tool: Its name, with which the folder's begins.
        room: That it takes, in words, for the error.

    Raises:
        OutputError: The disk is full there, or any other failure of the operating system inside the
            block.
    """
    parent, prefix = Path(tempfile.gettempdir()), f"{tool}-work-"
    sweep((path for path in parent.glob(f"{prefix}*") if path.is_dir()), shutil.rmtree)

    def make(path: Path) -> None:
        path.mkdir(mode=0o700)

    try:
        with ExitStack() as locks:
            folder = make_locked(make, lambda digits: parent / f"{prefix}{digits}", 8, locks)
            locks.callback(shutil.rmtree, folder, ignore_errors=True)
            yield folder
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{parent}: cannot write ({(error.strerror or str(error)).lower()}); free some space "
            f"there, or set TMPDIR to a folder with {room}"
        ) from error
