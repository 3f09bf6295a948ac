"""Whose signatures count, and which bundles are too old: the trust store and its rules.

A trust file is JSON that whoever operates the machine writes; `lunar-sign generate` makes one with
a single key. A folder of them counts as one: every key of every file, and of every rule the
strictest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec

from lunar_runtime.bundles.ed25519 import is_signed, is_weak
from lunar_runtime.bundles.manifest import MANIFEST_NAME, SIGNATURES_NAME, Manifest, UtcTime
from lunar_runtime.bundles.signatures import Signature, Text, key_id
from lunar_runtime.errors import BundleError, InputError, UsageError
from lunar_runtime.files.printable import printable
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.files.strict_json import check_json

_LARGEST = 1 << 20
_MOST_FILES = 1000

#: `trusted`: signed as the trust store demands. `untrusted`: signed by others only. `unsigned`.
#: `not checked`: there are signatures, and nobody said whom to trust.
SignedState = Literal["trusted", "untrusted", "unsigned", "not checked"]


class Signed(NamedTuple):
    """What is known of a bundle's signatures.

    Attributes:
        state: See `SignedState`.
        signers: Names of the trusted keys that signed.
        reason: Why it is not `trusted`, where a trust store was given; else empty.
    """

    state: SignedState
    signers: tuple[str, ...] = ()
    reason: str = ""


class TrustedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key whose signatures count.

    Attributes:
        name: Of whoever holds it, for reports.
        public_key: Its 32 bytes, as hexadecimal digits.
        expires: From then on it counts no more, by this machine's clock; None = never.
        comment: For people.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    public_key: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    expires: UtcTime | None = None
    comment: Text = ""

    @property
    def id(self) -> str:
        """As signatures name it."""
        return key_id(bytes.fromhex(self.public_key))


class TrustFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A trust file.

    Attributes:
        keys: Whose signatures count.
        required_signatures: How many of these keys must have signed.
        not_before: Student's id -> the oldest time of creation that a bundle of it may have: an
            older one is a step back. `lunar-sign require` sets it.
        max_age_days: How old a bundle may be, by this machine's clock; None = any age.
        format_version: Of this schema.
    """

    keys: tuple[TrustedKey, ...] = ()
    required_signatures: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    not_before: dict[str, UtcTime] = {}
    max_age_days: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None = None
    format_version: Literal[1] = 1


@dataclass(frozen=True)
class TrustStore:
    """Everything that trust files say together.

    Attributes:
        name: Where it is from, for errors.
        keys: By id; of two with one id the one that expires first.
        rules: The strictest of each.
    """

    name: str
    keys: dict[str, TrustedKey]
    rules: TrustFile

    @classmethod
    def read(cls, path: Path | str) -> TrustStore:
        """Read a trust file, or every `*.json` in a folder.

        Raises:
            InputError: One cannot be read, or there is no key in any.
        """
        place = Path(path)
        files = [place]
        if place.is_dir():
            files = sorted(place.glob("*.json"))[:_MOST_FILES]
        return cls.merge(str(path), [read_trust_file(file) for file in files])

    @classmethod
    def merge(cls, name: str, files: Iterable[TrustFile]) -> TrustStore:
        """Several trust files as one store.

        Raises:
            InputError: There is no key in any, or one that everybody can sign for.
        """
        keys: dict[str, TrustedKey] = {}
        required, oldest, ages = 1, dict[str, datetime](), list[float]()
        for file in files:
            required = max(required, file.required_signatures)
            ages += [] if file.max_age_days is None else [file.max_age_days]
            for student, time in file.not_before.items():
                oldest[student] = max(time, oldest.get(student, time))
            for key in file.keys:
                if is_weak(bytes.fromhex(key.public_key)):
                    raise InputError(
                        f"{name}: everybody can sign for the key of {printable(key.name)}; make "
                        "another with lunar-sign generate"
                    )
                keys[key.id] = min(key, keys.get(key.id, key), key=_expiry)
        if not keys:
            raise InputError(f"{name}: no key in it; lunar-sign generate makes a file with one")
        rules = TrustFile(
            required_signatures=required,
            not_before=oldest,
            max_age_days=min(ages, default=None),
        )
        return cls(name, keys, rules)


def read_trust_file(path: Path | str) -> TrustFile:
    """Read one trust file.

    Raises:
        InputError: It cannot be read, or is none.
    """
    content = read_regular(path, _LARGEST, "a trust file", "a trust file is a few kB")
    try:
        check_json(content)
        return msgspec.json.decode(content, type=TrustFile)
    except ValueError as error:
        raise InputError(f"{path}: not a trust file: {error}") from error


def encode_trust_file(file: TrustFile) -> bytes:
    """Indented JSON, ending in a newline."""
    return msgspec.json.format(msgspec.json.encode(file), indent=2) + b"\n"


def judge(
    store: TrustStore | None,
    text: bytes,
    manifest: Manifest,
    signatures: tuple[Signature, ...],
    folder: Path,
    required: bool | None = None,
    now: datetime | None = None,
) -> Signed:
    """Whether a bundle is signed as a trust store demands.

    Args:
        store: Whom to trust; None: nobody was named.
        text: Of manifest.json.
        manifest: The same, decoded.
        signatures: Of the bundle.
        folder: Of the bundle, for errors.
        required: Refuse a bundle that is not trusted; None: with a store, yes.
        now: This machine's clock, unless another is given.

    Raises:
        BundleError: It is not, or breaks a rule of the store; a trusted key's signature that is
            wrong is refused in any case.
        UsageError: A signature is required and `store` is None.
    """
    if store is None:
        if required:
            raise UsageError("`require_signature` needs `trust`: whose signature counts")
        return Signed("not checked" if signatures else "unsigned")
    now = now or datetime.now(timezone.utc)
    again = "use the bundle that its maker signed"
    _check_age(store, manifest, folder, now)
    signers, others = [], []
    for signature in signatures:
        key = store.keys.get(signature.key)
        if key is None:
            others.append(f"key {signature.key} is unknown")
            continue
        right = is_signed(
            bytes.fromhex(key.public_key),
            bytes.fromhex(signature.signature),
            signature.message(text),
        )
        if not right:
            raise BundleError(
                f"{folder / SIGNATURES_NAME}: the signature of {printable(key.name)} is not for "
                f"this {MANIFEST_NAME}; {again}"
            )
        if key.expires is not None and now >= key.expires:
            others.append(f"the key of {printable(key.name)} expired on {key.expires:%Y-%m-%d}")
            continue
        signers.append(printable(key.name))
    wanted = store.rules.required_signatures
    if len(signers) >= wanted:
        return Signed("trusted", tuple(signers))
    reason = "; ".join(others) or f"no {SIGNATURES_NAME}"
    said = f"signed by {len(signers)} of the {wanted} that {store.name} demands ({reason})"
    if required is None or required:
        raise BundleError(f"{folder}: {said}; {again}, or sign it with lunar-sign")
    return Signed("untrusted" if signatures else "unsigned", tuple(signers), said)


def _check_age(store: TrustStore, manifest: Manifest, folder: Path, now: datetime) -> None:
    made = manifest.created
    oldest = store.rules.not_before.get(manifest.student.id)
    where = f"{folder}: {printable(manifest.student.id)} of {made:%Y-%m-%d %H:%M:%S}"
    if oldest is not None and made < oldest:
        raise BundleError(
            f"{where} is older than the one of {oldest:%Y-%m-%d %H:%M:%S} that {store.name} "
            "demands; use the newer bundle"
        )
    days = store.rules.max_age_days
    dated = days is not None or any(key.expires for key in store.keys.values())
    if dated and now < made:
        raise BundleError(
            f"{where} is younger than this machine's clock, {now:%Y-%m-%d %H:%M:%S}; set the "
            f"clock, or leave ages out of {store.name}"
        )
    if days is not None and now - made > timedelta(days=days):
        raise BundleError(
            f"{where} is older than the {days:g} days that {store.name} allows; use a newer bundle"
        )


def _expiry(key: TrustedKey) -> datetime:
    return key.expires or datetime.max.replace(tzinfo=timezone.utc)
