"""signatures.json: who signed a bundle's manifest, and through it every byte of the bundle.

A signature is Ed25519's (RFC 8032) over these lines, each ending in a newline but the last:

    lunar-edge bundle signature 1
    <SHA-256 of manifest.json>
    <id of the key>
    <time of signing, as in the file>
    <comment>
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from lunar_runtime.bundles.manifest import SIGNATURES_NAME, UtcTime
from lunar_runtime.bundles.verified_files import read_whole
from lunar_runtime.errors import BundleError
from lunar_runtime.files.sealed_json import seal, unseal
from lunar_runtime.files.strict_json import check_json

_LARGEST = 1 << 20
_MOST_SIGNATURES = 100

KeyId = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{32}$")]
Text = Annotated[str, msgspec.Meta(max_length=500)]


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One signature of a manifest.

    Attributes:
        key: Id of the key that signed: the first 32 digits of the SHA-256 of its public half.
        signed: When, UTC.
        comment: Of whoever signed.
        signature: 64 bytes, as hexadecimal digits.
    """

    key: KeyId
    signed: UtcTime
    comment: Text
    signature: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$")]

    def message(self, manifest: bytes) -> bytes:
        """What was signed."""
        lines = (
            "lunar-edge bundle signature 1",
            hashlib.sha256(manifest).hexdigest(),
            self.key,
            msgspec.json.encode(self.signed).decode().strip('"'),
            self.comment,
        )
        return "\n".join(lines).encode()


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file beside the manifest.

    Attributes:
        signatures: One a key.
        format_version: Of this schema.
    """

    signatures: Annotated[tuple[Signature, ...], msgspec.Meta(min_length=1)]
    format_version: Literal[1] = 1


def key_id(public: bytes) -> str:
    """The id of a public key of 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:32]


def encode_signatures(signatures: tuple[Signature, ...]) -> bytes:
    """The file: indented JSON, its checksum last, ending in a newline."""
    text = msgspec.json.encode(SignatureFile(signatures=signatures))
    return seal(msgspec.json.format(text, indent=2) + b"\n")


def read_signatures(folder: Path) -> tuple[Signature, ...]:
    """The signatures of a bundle; none where it has no such file.

    Args:
        folder: Of the bundle.

    Raises:
        BundleError: The file is damaged. Whether a signature is right, `trust` tells.
    """
    path = folder / SIGNATURES_NAME
    try:
        path.lstat()
    except FileNotFoundError:
        return ()
    text = read_whole(folder, SIGNATURES_NAME, _LARGEST)
    try:
        check_json(text)
        unsealed = unseal(text)
        if unsealed is None:
            raise ValueError("altered: it does not end in its checksum")
        found = msgspec.json.decode(unsealed, type=SignatureFile).signatures
        if len(found) > _MOST_SIGNATURES or len({each.key for each in found}) != len(found):
            raise ValueError("a key signed twice, or too many did")
    except ValueError as error:
        raise BundleError(
            f"{path}: {error}; copy the bundle again, or remove the file and sign again with "
            "lunar-sign"
        ) from error
    return found
