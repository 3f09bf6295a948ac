"""A bundle's `engines` folder: writing engines into it and finding the one for this machine."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from lunar_runtime.backends.tensorrt.gpu import Gpu
from lunar_runtime.backends.tensorrt.key import EngineKey, file_stem, refusal
from lunar_runtime.backends.tensorrt.libraries import LibraryName
from lunar_runtime.backends.tensorrt.record import EngineRecord, encode_record, read_record
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.manifest import ENGINES_NAME
from lunar_runtime.errors import BackendError, BundleError, InputError, OutputError
from lunar_runtime.files.atomic import atomic_path, make_folder
from lunar_runtime.files.regular_file import read_regular


@dataclass(frozen=True)
class StoredEngine:
    """An engine in a bundle, not yet read.

    Attributes:
        path: Of the plan.
        record: What its neighbour says of it.
    """

    path: Path
    record: EngineRecord

    def read(self) -> memoryview:
        """The plan, verified.

        Raises:
            BundleError: It is missing, a link, or not the file that the record describes.
        """
        again = "copy engines/ again, or build it again with lunar-engine --overwrite"
        if self.path.is_symlink() or not self.path.exists():
            raise BundleError(f"{self.path}: missing or a link; {again}")
        try:
            content = read_regular(self.path, self.record.bytes, "an engine", again)
        except InputError as error:
            raise BundleError(f"{error}; {again}") from error
        if len(content) != self.record.bytes:
            raise BundleError(
                f"{self.path}: {len(content)} bytes instead of {self.record.bytes}; {again}"
            )
        if hashlib.sha256(content).hexdigest() != self.record.sha256:
            raise BundleError(f"{self.path}: altered (its SHA-256 differs); {again}")
        return memoryview(content)


def model_sha256(bundle: Bundle) -> str:
    """Of the ONNX file and, where there is one, its weights' file."""
    manifest = bundle.manifest
    parts = [
        record.sha256
        for name, record in sorted(manifest.files.items())
        if name.startswith(manifest.graph.file)
    ]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def engine_path(bundle: Bundle, key: EngineKey) -> Path:
    """Where the engine of a key belongs."""
    stem = file_stem(key, bundle.manifest.precision)
    if bundle.part is not None:
        stem += f"-{bundle.part}"
    return bundle.path / ENGINES_NAME / f"{stem}.plan"


def check_free(path: Path, *, overwrite: bool) -> None:
    """Refuse now what would be refused after minutes of building.

    Raises:
        OutputError: An engine is there, or the bundle is read-only.
    """
    if path.exists() and not overwrite:
        raise OutputError(f"{path}: exists already; set `overwrite` to build it again")
    folder = path.parent if path.parent.exists() else path.parent.parent
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(
            f"{folder}: read-only; build the engine in a copy of the bundle that can be written to"
        )


def write_engine(path: Path, plan: memoryview, record: EngineRecord) -> StoredEngine:
    """Write plan and record, each whole or not at all; the plan first.

    A reader between the two finds that plan and record do not match, and says so.

    Raises:
        OutputError: They cannot be written.
    """
    make_folder(path.parent)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(plan)
    return write_record(path, record)


def write_record(path: Path, record: EngineRecord) -> StoredEngine:
    """Write the record of the plan at `path`, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_path(path.with_suffix(".json")) as temporary:
        temporary.write_bytes(encode_record(record))
    return StoredEngine(path, record)


def sha256_of_plan(plan: memoryview) -> str:
    """SHA-256 of the file it becomes."""
    return hashlib.sha256(plan).hexdigest()


def stored_engines(bundle: Bundle) -> list[StoredEngine]:
    """Every engine of a bundle, by name.

    Raises:
        BundleError: A record cannot be read.
    """
    folder = bundle.path / ENGINES_NAME
    return [
        StoredEngine(path.with_suffix(".plan"), read_record(path))
        for path in sorted(folder.glob("*.json"))
    ]


def find_engine(
    bundle: Bundle, library: LibraryName, version: str, gpu: Gpu | None
) -> StoredEngine:
    """The engine for this machine: one made on this very GPU before one made for many.

    Args:
        bundle: Where to look.
        library: That will run it.
        version: Of that library.
        gpu: This machine's; None leaves the GPU unchecked.

    Raises:
        BundleError: A record cannot be read.
        BackendError: There is none; the line says why each of those that are there is not.
    """
    model = model_sha256(bundle)
    fit = []
    reasons = []
    for engine in stored_engines(bundle):
        key = engine.record.key
        if key.library != library:
            reasons.append(f"{engine.path.name}: it is for {key.library}")
            continue
        reason = refusal(key, model, version, gpu)
        if reason:
            reasons.append(f"{engine.path.name}: {reason}")
        else:
            fit.append(engine)
    if fit:
        name = gpu.name if gpu else None
        return max(fit, key=lambda engine: (engine.record.key.gpu == name, engine.record.built))
    option = "" if library == "tensorrt" else f" --library {library}"
    raise BackendError(
        f"{bundle.path}: no {library} engine for this machine"
        + (f" ({'; '.join(reasons)})" if reasons else "")
        + f"; build one with `lunar-engine {bundle.path}{option}`, or run lunar-infer "
        "--backend onnxruntime"
    )
