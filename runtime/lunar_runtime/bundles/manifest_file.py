"""manifest.json, written and read."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lunar_runtime.bundles.checks import contradiction
from lunar_runtime.bundles.manifest import (
    FORMAT_VERSION,
    MANIFEST_NAME,
    OLDEST_FORMAT_VERSION,
    OLDEST_SEALED_VERSION,
    Manifest,
)
from lunar_runtime.errors import BundleError
from lunar_runtime.files.sealed_json import seal, unseal
from lunar_runtime.files.strict_json import check_json

_AGAIN = "copy the bundle again or re-create it with lunar-export"


class _Version(msgspec.Struct):
    format_version: int


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest as indented JSON, its checksum last, ending in a newline."""
    return seal(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def decode_manifest(text: bytes, path: Path | str = MANIFEST_NAME) -> Manifest:
    """Read and check a manifest.

    Args:
        text: JSON, UTF-8.
        path: Named in the error.

    Raises:
        BundleError: Not JSON that means one thing only, altered since it was written, of another
            format version, with a field that is missing, unknown or of the wrong type, or naming
            files or tensors that do not fit together.
    """
    try:
        check_json(text)
        version = msgspec.json.decode(text, type=_Version).format_version
    except ValueError as error:  # msgspec's DecodeError is one
        raise BundleError(f"{path}: not a bundle manifest ({error}); {_AGAIN}") from error
    if not OLDEST_FORMAT_VERSION <= version <= FORMAT_VERSION:
        raise BundleError(
            f"{path}: format_version {version}, this runtime reads {OLDEST_FORMAT_VERSION} to "
            f"{FORMAT_VERSION}; "
            + (
                "update lunar-edge"
                if version > FORMAT_VERSION
                else "re-create the bundle with lunar-export"
            )
        )
    try:
        unsealed = unseal(text)
    except ValueError as error:
        raise BundleError(f"{path}: {error}; {_AGAIN}") from error
    if unsealed is None and version >= OLDEST_SEALED_VERSION:
        raise BundleError(f"{path}: altered: it does not end in its checksum; {_AGAIN}")
    try:
        manifest = msgspec.json.decode(text if unsealed is None else unsealed, type=Manifest)
    except msgspec.DecodeError as error:
        raise BundleError(f"{path}: {error}; re-create the bundle with lunar-export") from error
    problem = contradiction(manifest)
    if problem:
        raise BundleError(f"{path}: {problem}; re-create the bundle with lunar-export")
    return manifest
