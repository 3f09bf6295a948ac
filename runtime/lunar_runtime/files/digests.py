"""SHA-256 of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lunar_runtime.files.regular_file import open_stream

_CHUNK = 1 << 20


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, read in pieces.

    Raises:
        InputError: It is a device or pipe.
        OSError: As `open` does.
    """
    digest = hashlib.sha256()
    with open_stream(path, "a file") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
