"""Networks as a library compiled them for this processor: written once, verified at every reading.

OpenVINO compiles a network in one to four seconds and takes a compiled one up in half of that;
ONNX Runtime rewrites a graph of 30 MB in 0.15 s. What came out serves one model, one build of the
library, one processor and one arithmetic: its key, which is in the name of its record. One for
another processor is not looked at. One that was altered is refused.

OpenVINO's are kept in the bundle. Where `LUNAR_CACHE` names a folder, both libraries' are kept
there, of the bundle in the package too. Of a bundle that a trusted key signed nothing is kept: what
is compiled is signed by nobody.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import re
import time
from pathlib import Path
from typing import Literal

import msgspec

from lunar_runtime.bundles.bundle import Bundle, is_default_bundle
from lunar_runtime.bundles.choices import Arithmetic
from lunar_runtime.bundles.manifest import ENGINES_NAME, Positive, Sha256
from lunar_runtime.errors import BundleError, InputError, OutputError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.files.strict_json import check_json

#: Of the environment: a folder for what is compiled.
CACHE_VARIABLE = "LUNAR_CACHE"

_AGAIN = "delete it, and it is compiled again"
_LARGEST_RECORD = 1 << 16
_LEFT_S = 3600.0  # nobody is that long between a blob and its record
_PROCESSOR_INFO = Path("/proc/cpuinfo")
# They make OpenVINO do without instructions that the processor has.
_LIMITS = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")

_log = logging.getLogger(__name__)


class CacheKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a compiled network was made of and for.

    Attributes:
        build: Of the library, in full.
        processor: Its name, as the library or the system gives it.
        instructions: SHA-256 of the processor's flags, and of what limits their use.
        arithmetic: What is computed in; `graph`: as the graph says.
        model_sha256: Of the ONNX file, with what was added to it.
    """

    build: str
    processor: str
    instructions: Sha256
    arithmetic: Arithmetic | Literal["graph"]
    model_sha256: Sha256

    def file_stem(self) -> str:
        """`amd-epyc-3f2a91c0-2026.4.1-f32`."""
        name = re.sub(r"[^a-z0-9]+", "-", self.processor.lower()).strip("-") or "cpu"
        digest = hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:8]
        return f"{name}-{digest}-{re.split('[-+ ]', self.build)[0]}-{self.arithmetic}"


class CacheRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The JSON file beside a compiled network.

    Attributes:
        key: What it was made for.
        blob: Name of its file, in the same folder.
        sha256: Of that file.
        bytes: Its size.
        format_version: Of this schema.
    """

    key: CacheKey
    blob: str
    sha256: Sha256
    bytes: Positive
    format_version: Literal[1] = 1


def cache_folder(bundle: Bundle, library: str, *, in_bundle: bool) -> Path | None:
    """Where a library's compiled networks of a bundle are kept; None = nowhere.

    Args:
        bundle: Verified.
        library: Name of its folder.
        in_bundle: Whether they may be kept in the bundle, where nobody names a folder.
    """
    if bundle.signed.state == "trusted":
        return None
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named) / library
    if in_bundle and not is_default_bundle(bundle):
        return bundle.path / ENGINES_NAME / library
    return None


def read_blob(folder: Path, key: CacheKey) -> bytes | None:
    """The compiled network of a key, verified; None where there is none.

    Args:
        folder: Where it would be.
        key: What it serves.

    Raises:
        BundleError: It is damaged or altered, or its record is.
    """
    path = folder / f"{key.file_stem()}.json"
    try:
        if not path.exists() and not path.is_symlink():
            return None
    except OSError as error:  # a folder that may not be searched, a name that is too long
        _log.info("no compiled network is looked for: %s", error)
        return None
    record = _read_record(path)
    if record.key != key:
        _log.warning("%s: made for something else than its name says; compiling again", path)
        return None
    blob = path.parent / record.blob
    if blob.is_symlink() or not blob.is_file():
        raise BundleError(f"{blob}: missing or a link; of {path.name}: {_AGAIN}")
    content = _read(blob, record.bytes)
    if len(content) != record.bytes:
        raise BundleError(
            f"{blob}: {len(content)} bytes instead of {record.bytes}; with {path.name}: {_AGAIN}"
        )
    if hashlib.sha256(content).hexdigest() != record.sha256:
        raise BundleError(f"{blob}: altered (its SHA-256 differs); with {path.name}: {_AGAIN}")
    return content


def write_blob(folder: Path, key: CacheKey, content: bytes) -> None:
    """Keep a compiled network, where the folder can be written to.

    The record is written last and names the blob by its content, so that two processes that do
    this at once leave one good pair. What they and others left goes after an hour.
    """
    stem = key.file_stem()
    digest = hashlib.sha256(content).hexdigest()
    record = CacheRecord(
        key=key, blob=f"{stem}-{digest[:8]}.blob", sha256=digest, bytes=len(content)
    )
    try:
        make_folder(folder)
        with atomic_path(folder / record.blob) as temporary:
            temporary.write_bytes(content)
        with atomic_path(folder / f"{stem}.json") as temporary:
            temporary.write_bytes(
                msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
            )
        _remove_left(folder, stem, record.blob)
    except (OutputError, OSError) as error:
        _log.info("the compiled network is not kept: %s", error)


def _remove_left(folder: Path, stem: str, named: str) -> None:
    """Blobs of a key that its record does not name, unless somebody may be about to name them."""
    for blob in folder.glob(f"{stem}-*.blob"):
        if blob.name != named and time.time() - blob.stat().st_mtime > _LEFT_S:
            blob.unlink(missing_ok=True)


def _read_record(path: Path) -> CacheRecord:
    if path.is_symlink():
        raise BundleError(f"{path}: a link; {_AGAIN}")
    content = _read(path, _LARGEST_RECORD)
    try:
        check_json(content)
        record = msgspec.json.decode(content, type=CacheRecord)
    except ValueError as error:
        raise BundleError(f"{path}: not a compiled network's record ({error}); {_AGAIN}") from error
    if record.blob != f"{path.stem}-{record.sha256[:8]}.blob":
        raise BundleError(f"{path}: describes {record.blob!r}, not its neighbour; {_AGAIN}")
    return record


def _read(path: Path, most_bytes: int) -> bytes:
    try:
        return read_regular(path, most_bytes, "a file of this folder", f"too large: {_AGAIN}")
    except InputError as error:
        raise BundleError(f"{error}; {_AGAIN}") from error


def processor_name() -> str:
    """Of the first core, as the system gives it."""
    return _of_first_core("model name") or platform.machine()


def instructions() -> str:
    """SHA-256 of the processor's flags, and of what limits their use."""
    flags = sorted((_of_first_core("flags", "Features") or platform.machine()).split())
    limits = [f"{name}={os.environ.get(name, '')}" for name in _LIMITS]
    return hashlib.sha256(" ".join([*flags, *limits]).encode()).hexdigest()


def _of_first_core(*names: str) -> str:
    """A line of the system's description: x86 and aarch64 name some differently."""
    try:
        for line in _PROCESSOR_INFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() in names:
                return value.strip()
    except OSError:  # no /proc
        pass
    return ""
