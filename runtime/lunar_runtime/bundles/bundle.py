"""A bundle: the folder that carries a model to the machine that runs it.

    bundle/
      manifest.json   what it is, and the SHA-256 and size of every other file
      model.onnx      the graph (and model.onnx.data, for weights over 2 GB), or instead of it
      encoder.onnx    what one image goes through, and
      decoder.onnx    what two encoded images go through
      golden.npz      a pair and the outputs it must give
      engines/        what TensorRT and OpenVINO compiled on the target; each carries its own key

      signatures.json who signed the manifest, if anybody did

Opening one verifies every byte before an inference library sees any of them. A library gets the
bytes that were verified, never a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.doubts import gate_warning, range_warning
from lunar_runtime.bundles.golden import GoldenPair, read_golden
from lunar_runtime.bundles.graph_checks import external_weights, graph_contradiction
from lunar_runtime.bundles.manifest import (
    MANIFEST_NAME,
    Manifest,
)
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.bundles.onnx_file import read_onnx
from lunar_runtime.bundles.own_files import owned_names, write_file
from lunar_runtime.bundles.parts import (
    Part,
    part_manifest,
    parts_of,
    version_of,
    written_ranges,
)
from lunar_runtime.bundles.ranges import range_contradiction
from lunar_runtime.bundles.signatures import read_signatures
from lunar_runtime.bundles.trust import Signed, TrustStore, judge
from lunar_runtime.bundles.verified_files import (
    read_manifest,
    read_verified,
    refuse_unlisted,
    unreadable,
    verify,
)
from lunar_runtime.errors import BundleError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder


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
        part: Which of the two graphs of a network this is a view of; None = the whole bundle.
    """

    path: Path
    manifest: Manifest
    digest: str
    signed: Signed = Signed("unsigned")  # noqa: RUF009
    part: Part | None = None
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
            graphs = {part_manifest(manifest, part).graph.file for part in parts_of(manifest)}
            for name, record in manifest.files.items():
                if keep_model and name in graphs:
                    kept[name] = read_verified(folder, name, record)
                else:
                    verify(folder, name, record)
        except OSError as error:
            raise unreadable(folder, error) from error
        return cls(folder, manifest, hashlib.sha256(text).hexdigest(), signed, _kept=kept)

    @property
    def parts(self) -> tuple[Bundle, ...]:
        """The bundle; or, of a network in two graphs, a view of the encoder and one of the decoder.

        A view's manifest tells of its graph alone, in `graph` and `weight_ranges`.
        """
        return tuple(
            self if part is None
            else replace(self, manifest=part_manifest(self.manifest, part), part=part)
            for part in parts_of(self.manifest)
        )  # fmt: skip

    @property
    def model_path(self) -> Path:
        """The ONNX file, by name; `model` gives the bytes that were verified.

        Raises:
            BundleError: There are two.
        """
        graph = self.manifest.graph
        if graph.encoder is not None:
            raise BundleError(
                f"{self.path}: its network is in two graphs, {graph.encoder.file} and "
                f"{graph.file}, and this needs one; export it again without --split"
            )
        return self.path / graph.file

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
                the manifest says, or refers to a file that is not in the manifest; or the network
                is in two graphs, each of which is one of `parts`.
        """
        path = self.model_path
        name = self.manifest.graph.file
        content = self._kept.pop(name, None)
        content = self.read(name) if content is None else content
        try:
            graph = read_onnx(content)
            problem = graph_contradiction(graph, self.manifest, whole=self.part is None)
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
        raise BundleError(f"{path}: {problem}; re-create the bundle with lunar-export")

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
    with atomic_folder(path, overwrite=overwrite, owned=owned_names(Path(path), files)) as folder:
        records = {name: write_file(folder / name, source) for name, source in files.items()}
        text = encode_manifest(
            msgspec.structs.replace(
                manifest,
                files=records,
                weight_ranges=written_ranges(folder, manifest),
                format_version=version_of(manifest),
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
    check_folder(path, overwrite=overwrite, owned=owned_names(Path(path), {}))
