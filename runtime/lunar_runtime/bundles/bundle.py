"""A bundle: the folder that carries a model to the machine that runs it.

    bundle/
      manifest.json   what it is, and the SHA-256 and size of every other file
      model.onnx      the graph (and model.onnx.data, for weights over 2 GB)
      golden.npz      a pair and the outputs it must give
      engines/        what TensorRT and OpenVINO compiled on the target; each carries its own key

      signatures.json who signed the manifest, if anybody did

Opening one verifies every byte before an inference library sees any of them. A library gets the
bytes that were verified, never a path.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.golden import GoldenPair, read_golden
from lunar_runtime.bundles.graph_checks import external_weights, graph_contradiction
from lunar_runtime.bundles.manifest import (
    ENGINES_NAME,
    FORMAT_VERSION,
    MANIFEST_NAME,
    SIGNATURES_NAME,
    FileRecord,
    Manifest,
    gate_warning,
    range_warning,
)
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.bundles.onnx_file import read_onnx
from lunar_runtime.bundles.ranges import range_contradiction, written_ranges
from lunar_runtime.bundles.signatures import read_signatures
from lunar_runtime.bundles.trust import Signed, TrustStore, judge
from lunar_runtime.bundles.verified_files import (
    read_manifest,
    read_verified,
    refuse_unlisted,
    unreadable,
    verify,
)
from lunar_runtime.errors import BundleError, OutputError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.digests import sha256_of


class Model(NamedTuple):
    """A bundle's network, verified, as a library may have it.

    Attributes:
        content: Of the ONNX file.
        weights: Those that the graph has in other files, by name; their memory is one buffer a
            file.
    """

    content: bytes
    weights: dict[str, NDArray[np.generic]]


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: The folder.
        manifest: What it says of itself.
        digest: SHA-256 of manifest.json, and so of everything in the bundle.
        signed: Whether it was signed by somebody who is trusted.
    """

    path: Path
    manifest: Manifest
    digest: str
    signed: Signed = Signed("unsigned")  # noqa: RUF009
    _kept: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        trust: TrustStore | Path | str | None = None,
        require_signature: bool | None = None,
        keep_model: bool = False,
    ) -> Bundle:
        """Read the manifest and verify every file against it.

        Args:
            path: The folder.
            trust: Whose signatures count: a store, its file, or a folder of such files.
            require_signature: Whether a bundle must be signed as `trust` demands; None: with
                `trust` it must.
            keep_model: Hold the network's bytes until `model` is called, for whoever loads it at
                once; else they are read and verified again then.

        Raises:
            BundleError: Something is missing, altered, unlisted, foreign, or not signed as it must
                be; the line names the file and what to do.
            UsageError: A signature is required and nobody is trusted.
            InputError: `trust` cannot be read.
            BackendError: The package that verifies signatures is not there.
        """
        folder = Path(path)
        store = TrustStore.read(trust) if isinstance(trust, (Path, str)) else trust
        kept = {}
        try:
            text = read_manifest(folder)
            manifest = decode_manifest(text, folder / MANIFEST_NAME)
            signed = judge(
                store, text, manifest, read_signatures(folder), folder, require_signature
            )
            refuse_unlisted(folder, manifest)
            for name, record in manifest.files.items():
                if keep_model and name == manifest.graph.file:
                    kept[name] = read_verified(folder, name, record)
                else:
                    verify(folder, name, record)
        except OSError as error:
            raise unreadable(folder, error) from error
        return cls(folder, manifest, hashlib.sha256(text).hexdigest(), signed, kept)

    @property
    def model_path(self) -> Path:
        """The ONNX file, by name; `model` gives the bytes that were verified."""
        return self.path / self.manifest.graph.file

    @property
    def doubts(self) -> tuple[str, ...]:
        """What whoever uses it has to know: a gate that it failed, what it lacks."""
        warnings = gate_warning(self.manifest), range_warning(self.manifest), self.signed.reason
        return tuple(filter(None, warnings))

    def forget(self) -> None:
        """Let go of what `keep_model` held."""
        self._kept.clear()

    def model(self) -> Model:
        """Read the network, and hold it to the manifest.

        Raises:
            BundleError: A file was altered since the bundle was opened; or the graph is not what
                the manifest says, or refers to a file that is not in the manifest.
        """
        name = self.manifest.graph.file
        content = self._kept.pop(name, None)
        content = self.read(name) if content is None else content
        try:
            graph = read_onnx(content)
            problem = graph_contradiction(graph, self.manifest)
            if problem is None:
                places = {weight.place.file for weight in graph.weights if weight.place}
                files = {place: self.read(place) for place in sorted(places)}
                weights = external_weights(graph, files)
                problem = range_contradiction(graph, weights, self.manifest.weight_ranges)
                if problem is None:
                    return Model(content, weights)
        except ValueError as error:
            problem = f"cannot load it: not an ONNX file ({error})"
            if isinstance(error, BundleError):
                raise
        raise BundleError(f"{self.model_path}: {problem}; re-create the bundle with lunar-export")

    def golden(self) -> GoldenPair:
        """Load the pair to check a machine with.

        Raises:
            BundleError: The file was altered, or does not hold what the manifest says.
        """
        record = self.manifest.golden
        return read_golden(
            self.read(record.file), self.path / record.file, record, self.manifest.graph
        )

    def read(self, name: str) -> bytes:
        """Content of one of its files, verified again.

        Raises:
            BundleError: The file was altered since the bundle was opened.
        """
        try:
            return read_verified(self.path, name, self.manifest.files[name])
        except OSError as error:
            raise unreadable(self.path, error) from error


def default_bundle_path() -> Path:
    """The bundle that ships in the package.

    Raises:
        BundleError: This installation has none.
    """
    path = Path(__file__).parents[1] / "default_bundle"
    if not (path / MANIFEST_NAME).is_file():
        raise BundleError(
            "this installation carries no bundle of its own; give the folder of one "
            "(lunar-export makes it)"
        )
    return path


def is_default_bundle(bundle: Bundle) -> bool:
    """Whether it is the one in the package, into which nothing is written."""
    return bundle.path.resolve() == (Path(__file__).parents[1] / "default_bundle").resolve()


def write_bundle(
    path: Path | str,
    manifest: Manifest,
    files: Mapping[str, Path | bytes],
    *,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle, whole or not at all, and open it.

    Args:
        path: The folder to make.
        manifest: Its `files` and `weight_ranges` are filled in here, from what was written.
        files: Per name in the bundle, a file to copy or its content.
        overwrite: Replace the bundle that is there, once the new one is complete.

    Returns:
        The new bundle, read back and verified.

    Raises:
        OutputError: `path` exists, or cannot be written.
        BundleError: The manifest contradicts itself or the files, or a weight is not finite.
    """
    for name in files:
        problem = check_file_name(name)
        if problem:
            raise BundleError(f"{name!r}: {problem}; name the file otherwise")
    with atomic_folder(path, overwrite=overwrite, owned=_owned(Path(path), files)) as folder:
        records = {name: _write(folder / name, source) for name, source in files.items()}
        text = encode_manifest(
            msgspec.structs.replace(
                manifest,
                files=records,
                weight_ranges=written_ranges(folder, manifest.graph.file),
                format_version=FORMAT_VERSION,
            )
        )
        (folder / MANIFEST_NAME).write_bytes(text)
        decode_manifest(text, Path(path) / MANIFEST_NAME)
    return Bundle.open(path)


def check_bundle_folder(path: Path | str, *, overwrite: bool) -> None:
    """Refuse now what `write_bundle` would refuse after the work.

    Raises:
        OutputError: As `write_bundle`.
    """
    check_folder(path, overwrite=overwrite, owned=_owned(Path(path), {}))


def _write(path: Path, source: Path | bytes) -> FileRecord:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        path.write_bytes(source)
    else:
        if not source.is_file():
            raise OutputError(f"{source}: no such file to put into the bundle")
        shutil.copyfile(source, path)
    return FileRecord(sha256=sha256_of(path), bytes=path.stat().st_size)


def _owned(path: Path, files: Mapping[str, Path | bytes]) -> set[str]:
    """Top-level names that an old bundle at `path` may hold."""
    names = {MANIFEST_NAME, "model.onnx", "model.onnx.data", "golden.npz"}
    names |= {SIGNATURES_NAME, ENGINES_NAME}
    names.update(name.split("/")[0] for name in files)
    try:
        old = decode_manifest(read_manifest(path))
    except (OSError, BundleError):
        return names
    return names | {name.split("/")[0] for name in old.files}
