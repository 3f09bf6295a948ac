"""A bundle: the folder that carries a model to the machine that runs it.

    bundle/
      manifest.json   what it is, and the SHA-256 and size of every other file
      model.onnx      the graph (and model.onnx.data, for weights over 2 GB)
      golden.npz      a pair and the outputs it must give
      engines/        what TensorRT and OpenVINO compiled on the target; each carries its own key

Opening one verifies every byte before an inference library sees any of them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lunar_runtime.bundles.checks import check_file_name
from lunar_runtime.bundles.golden import GoldenPair, read_golden
from lunar_runtime.bundles.manifest import MANIFEST_NAME, FileRecord, Manifest
from lunar_runtime.bundles.manifest_file import decode_manifest, encode_manifest
from lunar_runtime.errors import BundleError, OutputError
from lunar_runtime.files.atomic_folder import atomic_folder, check_folder
from lunar_runtime.files.digests import sha256_of

#: Made on the target after the bundle was written, hence not in the manifest.
ENGINES_NAME = "engines"

_LARGEST_MANIFEST = 4 << 20


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: The folder.
        manifest: What it says of itself.
        digest: SHA-256 of manifest.json, and so of everything in the bundle.
    """

    path: Path
    manifest: Manifest
    digest: str

    @classmethod
    def open(cls, path: Path | str) -> Bundle:
        """Read the manifest and verify every file against it.

        Raises:
            BundleError: Something is missing, altered, unlisted or foreign; the line names the file
                and what to do.
        """
        folder = Path(path)
        try:
            text = _read_manifest(folder)
            manifest = decode_manifest(text, folder / MANIFEST_NAME)
            _refuse_unlisted(folder, manifest)
            for name, record in manifest.files.items():
                _verify(folder, name, record)
        except OSError as error:
            where = error.filename or folder
            raise BundleError(
                f"{where}: cannot be read ({error.strerror or error}); check the path and its "
                "permissions"
            ) from error
        return cls(folder, manifest, hashlib.sha256(text).hexdigest())

    @property
    def model_path(self) -> Path:
        """The ONNX file."""
        return self.path / self.manifest.graph.file

    def golden(self) -> GoldenPair:
        """Load the pair to check a machine with.

        Raises:
            BundleError: The file does not hold what the manifest says.
        """
        graph, record = self.manifest.graph, self.manifest.golden
        return read_golden(self.path / record.file, record, (graph.height, graph.width))


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
        manifest: Its `files` are filled in here, from the bytes that were written.
        files: Per name in the bundle, a file to copy or its content.
        overwrite: Replace the bundle that is there, once the new one is complete.

    Returns:
        The new bundle, read back and verified.

    Raises:
        OutputError: `path` exists, or cannot be written.
        BundleError: The manifest contradicts itself or the files.
    """
    for name in files:
        problem = check_file_name(name)
        if problem:
            raise BundleError(f"{name!r}: {problem}; name the file otherwise")
    with atomic_folder(path, overwrite=overwrite, owned=_owned(Path(path), files)) as folder:
        records = {name: _write(folder / name, source) for name, source in files.items()}
        text = encode_manifest(msgspec.structs.replace(manifest, files=records))
        (folder / MANIFEST_NAME).write_bytes(text)
        decode_manifest(text, Path(path) / MANIFEST_NAME)
    return Bundle.open(path)


def check_bundle_folder(path: Path | str, *, overwrite: bool) -> None:
    """Refuse now what `write_bundle` would refuse after the work.

    Raises:
        OutputError: As `write_bundle`.
    """
    check_folder(path, overwrite=overwrite, owned=_owned(Path(path), {}))


def _read_manifest(folder: Path) -> bytes:
    path = folder / MANIFEST_NAME
    if not folder.exists():
        raise BundleError(f"{folder}: no such bundle; create one with lunar-export --out {folder}")
    if not folder.is_dir():
        raise BundleError(f"{folder}: not a folder; a bundle is the folder with {MANIFEST_NAME}")
    if not path.is_file() or path.is_symlink():
        raise BundleError(
            f"{folder}: no {MANIFEST_NAME}; create a bundle with lunar-export --out {folder}"
        )
    if path.stat().st_size > _LARGEST_MANIFEST:
        raise BundleError(f"{path}: {path.stat().st_size} bytes are too many for a manifest")
    return path.read_bytes()


def _refuse_unlisted(folder: Path, manifest: Manifest) -> None:
    known = {MANIFEST_NAME, *manifest.files}
    for root, folders, names in os.walk(folder):
        here = Path(root)
        if here == folder and ENGINES_NAME in folders:
            folders.remove(ENGINES_NAME)
        for name in sorted([*names, *(n for n in folders if (here / n).is_symlink())]):
            relative = (here / name).relative_to(folder).as_posix()
            if relative not in known:
                raise BundleError(
                    f"{here / name}: not listed in {MANIFEST_NAME}; remove it, or copy the bundle "
                    "again"
                )


def _verify(folder: Path, name: str, record: FileRecord) -> None:
    path = folder / name
    again = "copy the bundle again or re-create it with lunar-export"
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{path}: is a symbolic link; a bundle holds its files itself, {again}")
    if not path.is_file():
        raise BundleError(f"{path}: missing; {again}")
    size = path.stat().st_size
    if size != record.bytes:
        raise BundleError(f"{path}: {size} bytes instead of {record.bytes}; {again}")
    if sha256_of(path) != record.sha256:
        raise BundleError(f"{path}: altered (its SHA-256 differs from the manifest); {again}")


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
    names = {MANIFEST_NAME, "model.onnx", "model.onnx.data", "golden.npz", ENGINES_NAME}
    names.update(name.split("/")[0] for name in files)
    try:
        old = decode_manifest((path / MANIFEST_NAME).read_bytes())
    except (OSError, BundleError):
        return names
    return names | {name.split("/")[0] for name in old.files}
