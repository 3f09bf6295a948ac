"""Write a folder so that it is there whole or not at all.

The files are written to a hidden sibling, flushed to the disk, and the sibling takes its name in
one rename. A reader never sees half a folder, and a failed writer leaves nothing.

A writer that is killed outright leaves its hidden sibling. The next writer in the same place
removes it, or puts back the old folder that was being replaced, and says so. An old folder and its
successor change names in one step; where the system cannot do that, there are two.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lunar_runtime.errors import OutputError
from lunar_runtime.files.exchange import exchange
from lunar_runtime.files.leftovers import make_locked, sweep

_log = logging.getLogger(__name__)
_NEW, _OLD = ".lunar-new-", ".lunar-aside-"
_FLUSHED_AT_ONCE = 8


@contextmanager
def atomic_folder(
    path: Path | str, *, overwrite: bool = False, owned: Collection[str] = ()
) -> Iterator[Path]:
    """Give a temporary folder that becomes `path` when the block ends without an exception.

    Missing parents are made. An existing folder is replaced only with `overwrite`, only when the
    new one is complete, and only if all it holds are names in `owned`: a mistyped `--out` must not
    cost anybody a folder of other things.

    Args:
        path: The folder to make.
        overwrite: Replace what is there.
        owned: Names at the top of an existing folder that may be deleted with it.

    Raises:
        OutputError: `path` exists, is not replaceable, or cannot be written.
    """
    final = Path(os.path.realpath(path))
    check_folder(final, overwrite=overwrite, owned=owned)
    made = _missing_parents(final)
    temporary: Path | None = None
    locks = ExitStack()
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _locked_folder(_NEW, final.parent, locks)
        yield temporary
        _flush(temporary)
        check_folder(final, overwrite=overwrite, owned=owned)
        if overwrite and final.exists():
            _swap(temporary, final, locks)
        else:  # what came since the check above is not replaced: rename(2) fails on a full folder
            temporary.rename(final)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            try:
                parent.rmdir()
            except OSError:
                break
        if isinstance(error, OSError) and not isinstance(error, OutputError):
            raise _unwritable(path, error.strerror or str(error)) from error
        raise
    finally:
        locks.close()


def check_folder(path: Path | str, *, overwrite: bool, owned: Collection[str]) -> None:
    """Refuse now what `atomic_folder` would refuse at the end of the work.

    What writers that were killed left beside it is removed, or put back.

    Raises:
        OutputError: As `atomic_folder`.
    """
    final = Path(os.path.realpath(path))
    _sweep(final.parent)
    try:
        final.lstat()
        exists = True
    except (FileNotFoundError, NotADirectoryError):
        exists = False
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    if exists and not final.is_dir():
        raise OutputError(f"{path}: is a file, not a folder; choose another name")
    if exists and not overwrite:
        raise OutputError(f"{path}: exists already; set `overwrite` or choose another name")
    try:
        names = sorted(entry.name for entry in final.iterdir()) if exists else []
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    foreign = [name for name in names if name not in owned]
    if foreign:
        raise OutputError(
            f"{path}: holds {foreign[0]!r}, which is not ours to overwrite; choose another folder"
        )
    nearest = next(p for p in final.parents if os.path.lexists(p))
    if not nearest.is_dir():
        raise _unwritable(path, f"{nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unwritable(path, f"no permission in {nearest}")


def _unwritable(path: Path | str, why: str) -> OutputError:
    return OutputError(f"{path}: cannot write ({why}); choose another place")


def _missing_parents(path: Path) -> list[Path]:
    return [parent for parent in path.parents if not os.path.lexists(parent)]


def _flush(folder: Path) -> None:
    """To the disk: many files at once are one turn of its journal, a third of the time."""
    paths = [
        os.path.join(root, name)  # noqa: PTH118
        for root, _, files in os.walk(folder)
        for name in [*files, "."]
    ]
    with ThreadPoolExecutor(_FLUSHED_AT_ONCE) as threads:
        for done in [threads.submit(_flush_one, path) for path in paths]:
            done.result()


def _flush_one(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _swap(new: Path, final: Path, locks: ExitStack) -> None:
    if exchange(new, final):  # there is a folder of that name at every moment
        shutil.rmtree(new, ignore_errors=True)
        return
    # Its name inside tells `_sweep` where the old folder belongs.
    aside = _locked_folder(_OLD, final.parent, locks)
    old = aside / final.name
    try:
        final.rename(old)
    except OSError:  # a mount point, say
        aside.rmdir()
        raise
    try:
        new.rename(final)
    except BaseException:
        old.rename(final)
        aside.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _locked_folder(prefix: str, parent: Path, locks: ExitStack) -> Path:
    # Path.mkdir, not mkdtemp: its 0700 would outlive the rename.
    return make_locked(Path.mkdir, lambda digits: parent / f"{prefix}{digits}", 8, locks)


def _sweep(parent: Path) -> None:
    """Remove what killed writers left in a folder, and put back what they were replacing."""
    try:
        # Not glob: an archive's folder has 100 000 entries, and is looked through for every pair.
        names = [name for name in os.listdir(parent) if name.startswith((_OLD, _NEW))]  # noqa: PTH208
    except OSError:  # not there, or not to be listed
        return
    # The old folder's name must be free or taken before the new ones go.
    for prefix, end in ((_OLD, _put_back), (_NEW, shutil.rmtree)):
        paths = (parent / name for name in sorted(names) if name.startswith(prefix))
        sweep((path for path in paths if path.is_dir()), end)


def _put_back(aside: Path) -> None:
    for old in aside.iterdir():
        place = aside.parent / old.name
        if not os.path.lexists(place):
            old.rename(place)
            _log.warning("%s: put back; a writer that was to replace it was killed", place)
    shutil.rmtree(aside)
