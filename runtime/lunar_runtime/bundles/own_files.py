"""Files that a bundle is made of: written with their records, known when it is replaced."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from lunar_runtime.bundles.manifest import (
    ENGINES_NAME,
    MANIFEST_NAME,
    SIGNATURES_NAME,
    FileRecord,
)
from lunar_runtime.bundles.manifest_file import decode_manifest
from lunar_runtime.bundles.parts import DECODER_NAME, ENCODER_NAME
from lunar_runtime.bundles.verified_files import read_manifest
from lunar_runtime.errors import BundleError, OutputError
from lunar_runtime.files.digests import sha256_of

_GRAPHS = ("model.onnx", ENCODER_NAME, DECODER_NAME)


def write_file(path: Path, source: Path | bytes) -> FileRecord:
    """Copy a file, or write its content, and describe it.

    Raises:
        OutputError: There is no such file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        path.write_bytes(source)
    else:
        if not source.is_file():
            raise OutputError(f"{source}: no such file to put into the bundle")
        shutil.copyfile(source, path)
    return FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)


def owned_names(path: Path, files: Mapping[str, Path | bytes]) -> set[str]:
    """Top-level names that an old bundle at `path` may hold."""
    names = {MANIFEST_NAME, "golden.npz", SIGNATURES_NAME, ENGINES_NAME}
    names.update(f"{graph}{data}" for graph in _GRAPHS for data in ("", ".data"))
    names.update(name.split("/")[0] for name in files)
    try:
        old = decode_manifest(read_manifest(path))
    except (OSError, BundleError):
        return names
    return names | {name.split("/")[0] for name in old.files}
