"""Files of a bundle, each opened once: what is verified is what the caller gets.

A path can name another file a moment later. Here a file is opened by its bundle's folder, never
through a link, and its bytes are hashed as they come from that one descriptor.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path, PurePosixPath

from lunar_runtime.bundles.manifest import (
    ENGINES_NAME,
    MANIFEST_NAME,
    SIGNATURES_NAME,
    FileRecord,
    Manifest,
)
from lunar_runtime.errors import BundleError

_CHUNK = 1 << 20
_LARGEST_MANIFEST = 4 << 20
_AGAIN = "copy the bundle again or re-create it with lunar-export"
# Not blocking: to open a pipe would wait for its writer.
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def read_whole(folder: Path, name: str, most_bytes: int) -> bytes:
    """A file that no record describes.

    Raises:
        BundleError: It is missing, a link, no regular file, or larger than `most_bytes`.
    """
    with _opened(folder, name) as (stream, size):
        if size <= most_bytes:
            content = stream.read(most_bytes + 1)
            if len(content) <= most_bytes:
                return content
    raise BundleError(f"{folder / name}: {size} bytes are too many for it; {_AGAIN}")


def read_verified(folder: Path, name: str, record: FileRecord) -> bytes:
    """A file's bytes, which are those that its record describes.

    Raises:
        BundleError: It is missing, a link, no regular file, or altered.
        MemoryError: It does not fit into memory.
    """
    with _opened(folder, name) as (stream, size):
        _check_size(folder / name, size, record)
        content = stream.readall()  # read() stops after 2 GB
    _check_size(folder / name, len(content), record)
    _check_digest(folder / name, hashlib.sha256(content).hexdigest(), record)
    return content


def verify(folder: Path, name: str, record: FileRecord) -> None:
    """Compare a file with its record, in pieces.

    Raises:
        BundleError: As `read_verified`.
    """
    digest, count = hashlib.sha256(), 0
    with _opened(folder, name) as (stream, size):
        _check_size(folder / name, size, record)
        while count <= record.bytes and (chunk := stream.read(_CHUNK)):
            digest.update(chunk)
            count += len(chunk)
    _check_size(folder / name, count, record)
    _check_digest(folder / name, digest.hexdigest(), record)


def read_manifest(folder: Path) -> bytes:
    """manifest.json, not yet decoded.

    Raises:
        BundleError: There is none, or it is too large.
    """
    path = folder / MANIFEST_NAME
    if not folder.exists():
        raise BundleError(f"{folder}: no such bundle; create one with lunar-export --out {folder}")
    if not folder.is_dir():
        raise BundleError(f"{folder}: not a folder; a bundle is the folder with {MANIFEST_NAME}")
    if not path.is_file() or path.is_symlink():
        raise BundleError(
            f"{folder}: no {MANIFEST_NAME}; create a bundle with lunar-export --out {folder}"
        )
    return read_whole(folder, MANIFEST_NAME, _LARGEST_MANIFEST)


def refuse_unlisted(folder: Path, manifest: Manifest) -> None:
    """Refuse a bundle that holds more than its manifest lists.

    Raises:
        BundleError: It does.
    """
    known = {MANIFEST_NAME, SIGNATURES_NAME, *manifest.files}
    for root, folders, names in os.walk(folder):
        here = Path(root)
        if here == folder and ENGINES_NAME in folders:
            folders.remove(ENGINES_NAME)
        for name in sorted([*names, *(n for n in folders if (here / n).is_symlink())]):
            relative = (here / name).relative_to(folder).as_posix()
            if relative not in known:
                raise BundleError(
                    f"{here / name}: not listed in {MANIFEST_NAME}; remove it, or copy the bundle "
                    "again"
                )


def unreadable(folder: Path, error: OSError) -> BundleError:
    """What to raise where the system does not let a bundle be read."""
    where = error.filename or folder
    return BundleError(
        f"{where}: cannot be read ({error.strerror or error}); check the path and its permissions"
    )


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[tuple[FileIO, int]]:
    """A regular file of a bundle and its size; no part of its name may be a link."""
    path = folder / name
    *parents, last = PurePosixPath(name).parts
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for parent in parents:
            inner = os.open(parent, _READ | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = inner
        status = os.stat(last, dir_fd=here, follow_symlinks=False)
        _check_kind(path, status.st_mode)  # before it is opened: some devices act when they are
        descriptor = os.open(last, _READ, dir_fd=here)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(f"{path}: missing; {_AGAIN}") from error
    finally:
        os.close(here)
    with FileIO(descriptor) as stream:
        status = os.fstat(descriptor)
        _check_kind(path, status.st_mode)
        yield stream, status.st_size


def _check_kind(path: Path, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise BundleError(f"{path}: is a symbolic link; a bundle holds its files itself, {_AGAIN}")
    if not stat.S_ISREG(mode):
        raise BundleError(f"{path}: missing: what is there is no regular file; {_AGAIN}")


def _check_size(path: Path, size: int, record: FileRecord) -> None:
    if size != record.bytes:
        raise BundleError(f"{path}: {size} bytes instead of {record.bytes}; {_AGAIN}")


def _check_digest(path: Path, digest: str, record: FileRecord) -> None:
    if digest != record.sha256:
        raise BundleError(f"{path}: altered (its SHA-256 differs from the manifest); {_AGAIN}")
