"""Making keys and signatures; what flies only verifies."""

from __future__ import annotations

import os
import re
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.ed25519 import PrivateKey, generate
from lunar_runtime.bundles.manifest import MANIFEST_NAME, SIGNATURES_NAME
from lunar_runtime.bundles.signatures import (
    Signature,
    encode_signatures,
    key_id,
    read_signatures,
)
from lunar_runtime.bundles.trust import (
    TrustedKey,
    TrustFile,
    TrustStore,
    encode_trust_file,
    read_trust_file,
)
from lunar_runtime.bundles.verified_files import read_manifest
from lunar_runtime.errors import BundleError, InputError, OutputError, UsageError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.printable import UNPRINTABLE
from lunar_runtime.files.regular_file import read_regular

_LARGEST_KEY = 1 << 16
_LONGEST_COMMENT = 500
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def make_key(
    name: str,
    folder: Path | str,
    *,
    comment: str = "",
    expires: datetime | None = None,
    passphrase_file: Path | None = None,
) -> TrustedKey:
    """Make a key pair: `<name>.key` and the trust file `<name>.json`.

    Args:
        name: Of the key, and of whoever holds it.
        folder: Of both files.
        comment: For the trust file.
        expires: From then on the key counts no more; UTC where it names no zone.
        passphrase_file: Its first line encrypts the private half.

    Raises:
        UsageError: `name` is no plain name.
        OutputError: A file is there already, or cannot be written.
        BackendError: The package cryptography is missing.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r}: name the key with letters, digits, '.', '_' and '-'")
    _check_comment(comment)
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=timezone.utc)
    pem, public = generate(_passphrase(passphrase_file))
    key = TrustedKey(name=name, public_key=public.hex(), expires=expires, comment=comment)
    make_folder(folder)
    trusted, private = Path(folder, f"{name}.json"), Path(folder, f"{name}.key")
    if os.path.lexists(trusted):
        raise OutputError(f"{trusted}: exists already; choose another name")
    try:
        descriptor = os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(pem)
    except OSError as error:
        raise OutputError(
            f"{private}: cannot write ({(error.strerror or str(error)).lower()}); choose another "
            "name or place"
        ) from error
    with atomic_path(trusted) as temporary:
        temporary.write_bytes(encode_trust_file(TrustFile(keys=(key,))))
    return key


def sign_bundle(
    path: Path | str,
    key_file: Path | str,
    *,
    comment: str = "",
    passphrase_file: Path | None = None,
) -> Signature:
    """Sign a bundle's manifest, after every file was verified against it.

    Args:
        path: Of the bundle.
        key_file: The private key.
        comment: Part of what is signed.
        passphrase_file: Where the key is encrypted: a file whose first line is the passphrase.

    Raises:
        BundleError: The bundle is damaged, or its graph is not what its manifest says.
        InputError: The key cannot be used.
        OutputError: The bundle cannot be written to.
        BackendError: The package cryptography is missing.
    """
    _check_comment(comment)
    bundle = Bundle.open(path)
    for part in bundle.parts:
        part.model()  # a false manifest is not signed
    bundle.golden()
    pem = read_regular(key_file, _LARGEST_KEY, "a private key", "a private key is a few kB")
    key = PrivateKey(pem, key_file, _passphrase(passphrase_file))
    manifest = read_manifest(bundle.path)
    unsigned = Signature(
        key=key_id(key.public),
        signed=datetime.now(timezone.utc).replace(microsecond=0),
        comment=comment,
        signature="0" * 128,
    )
    made = key.sign(unsigned.message(manifest)).hex()
    signature = msgspec.structs.replace(unsigned, signature=made)
    if Bundle.open(path).digest != bundle.digest:
        raise BundleError(f"{path}: {MANIFEST_NAME} changed while it was signed; sign it again")
    others = tuple(s for s in read_signatures(bundle.path) if s.key != signature.key)
    with atomic_path(bundle.path / SIGNATURES_NAME) as temporary:
        temporary.write_bytes(encode_signatures((*others, signature)))
    return signature


def require_newer(trust_file: Path | str, path: Path | str) -> tuple[str, datetime]:
    """Have a trust file demand bundles that are not older than this one, of the same student.

    Args:
        trust_file: It is written anew.
        path: Of a bundle that it trusts.

    Returns:
        The student's id, and the oldest time of creation from now on.

    Raises:
        BundleError: The bundle is damaged or not trusted.
        InputError: The trust file cannot be read.
        OutputError: The trust file cannot be written.
    """
    file = read_trust_file(trust_file)
    store = TrustStore.merge(str(trust_file), [file])
    manifest = Bundle.open(path, trust=store, require_signature=True).manifest
    oldest = {**file.not_before, manifest.student.id: manifest.created}
    with atomic_path(trust_file) as temporary:
        temporary.write_bytes(encode_trust_file(msgspec.structs.replace(file, not_before=oldest)))
    return manifest.student.id, manifest.created


def _check_comment(comment: str) -> None:
    if len(comment) > _LONGEST_COMMENT or UNPRINTABLE.search(comment):
        raise UsageError(f"`comment`: one line of at most {_LONGEST_COMMENT} characters")


def _passphrase(file: Path | None) -> bytes | None:
    if file is None:
        return None
    content = read_regular(file, _LARGEST_KEY, "a passphrase's file", "one line is enough")
    line = content.split(b"\n", 1)[0].rstrip(b"\r")
    if not line:
        raise InputError(f"{file}: its first line is empty; write the passphrase there")
    return line
