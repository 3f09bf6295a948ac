"""A calibration set: the pairs that INT8 ranges are measured on, verified before they are used."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.digests import sha256_of
from lunar_runtime.files.images import read_image
from lunar_runtime.geometry.network_frame import prepare
from numpy.typing import NDArray

from lunar_calib.sets.calibration_manifest import (
    MANIFEST_NAME,
    CalibrationManifest,
    PairRecord,
    decode,
)
from lunar_calib.sets.image_statistics import pixel_bytes, pixel_sha256

_AGAIN = "copy the set again or make it with lunar-calib make"
_LARGEST_MANIFEST = 64 << 20


@dataclass(frozen=True)
class CalibrationPair:
    """Two images of one scene.

    Attributes:
        name: Unique in the set.
        left: (H, W) uint8.
        right: (H, W) uint8.
    """

    name: str
    left: NDArray[np.uint8]
    right: NDArray[np.uint8]


@dataclass(frozen=True)
class CalibrationSet:
    """A verified calibration set.

    Attributes:
        path: The folder.
        manifest: What it says of itself.
    """

    path: Path
    manifest: CalibrationManifest

    @classmethod
    def open(cls, path: Path | str) -> CalibrationSet:
        """Read the manifest and verify every file and the set's digest.

        Raises:
            InputError: The first thing that is missing, altered, unlisted or foreign.
        """
        folder = Path(path)
        opened = cls(folder, read_manifest(folder))
        for problem in opened.differences():
            raise InputError(f"{problem}; {_AGAIN}")
        return opened

    @property
    def digest(self) -> str:
        """SHA-256 over names, order and pixels of the pairs; see `content_digest`."""
        return self.manifest.digest

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.manifest.pairs)

    def pairs(self, height: int, width: int) -> Iterator[CalibrationPair]:
        """The pairs as a network sees them, one at a time, best cover first.

        Args:
            height: Rows of the network's input.
            width: Columns of the network's input.

        Raises:
            InputError: A file was changed since the set was opened.
        """
        for pair in self.originals():
            left, right = (prepare(image, height, width)[0] for image in (pair.left, pair.right))
            yield CalibrationPair(pair.name, left, right)

    def originals(self) -> Iterator[CalibrationPair]:
        """The pairs as they are in the set, at their own sizes, in the same order.

        Raises:
            InputError: A file was changed since the set was opened.
        """
        for record in self.manifest.pairs:
            yield CalibrationPair(record.name, *self.images_of(record))

    def images_of(self, record: PairRecord) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Left and right image of a pair, (H, W) uint8.

        Raises:
            InputError: A file is not the one that the manifest lists.
        """
        left, right = (self._image(name) for name in (record.left, record.right))
        if left.shape != right.shape:
            raise InputError(
                f"{self.path / record.right}: not of the size of {record.left}; {_AGAIN}"
            )
        return left, right

    def holds(self, image: NDArray[np.uint8]) -> bool:
        """Whether the set was made from this image, (H, W) uint8, also if it was then augmented.

        An evaluation on images that a set holds proves nothing.
        """
        digest = pixel_sha256(image)
        return any(digest in record.original_sha256 for record in self.manifest.pairs)

    def differences(self) -> Iterator[str]:
        """Where the folder is not what its manifest says, a line each; none if all is well."""
        damaged = False
        try:
            for problem in self._differing_files():
                damaged = True
                yield problem
        except OSError as error:
            yield str(_unreadable(self.path, error))
            return
        if damaged:
            return
        try:
            digest = content_digest(self.originals())
        except InputError as error:
            yield str(error)
            return
        if digest != self.digest:
            yield (
                f"{self.path / MANIFEST_NAME}: the pairs' digest is {digest[:12]}…, not "
                f"{self.digest[:12]}…"
            )

    def _differing_files(self) -> Iterator[str]:
        known = {MANIFEST_NAME, *self.manifest.files}
        for root, folders, names in os.walk(self.path):
            here = Path(root)
            for name in sorted([*names, *(n for n in folders if (here / n).is_symlink())]):
                if (here / name).relative_to(self.path).as_posix() not in known:
                    yield f"{here / name}: not listed in {MANIFEST_NAME}"
        for name, record in self.manifest.files.items():
            path = self.path / name
            if path.is_symlink() or not path.resolve().is_relative_to(self.path.resolve()):
                yield f"{path}: is a symbolic link; a set holds its files itself"
            elif not path.is_file():
                yield f"{path}: missing"
            elif path.stat().st_size != record.bytes:
                yield f"{path}: {path.stat().st_size} bytes instead of {record.bytes}"
            elif sha256_of(path) != record.sha256:
                yield f"{path}: altered (its SHA-256 differs from the manifest)"

    def _image(self, name: str) -> NDArray[np.uint8]:
        image = read_image(self.path / name)
        if image.sha256 != self.manifest.files[name].sha256:
            raise InputError(f"{self.path / name}: altered; {_AGAIN}")
        return image.pixels


def content_digest(pairs: Iterable[CalibrationPair]) -> str:
    """SHA-256 over the pairs' names, their order, and their images' sizes and pixels.

    How the images are compressed, and everything else that a manifest says, does not count.
    """
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(pair.name.encode() + b"\n")
        for image in (pair.left, pair.right):
            digest.update(pixel_bytes(image))
    return digest.hexdigest()


def read_manifest(folder: Path) -> CalibrationManifest:
    """The manifest of a set whose files are not looked at.

    Raises:
        InputError: There is none, or it cannot be right.
    """
    path = folder / MANIFEST_NAME
    try:
        if not folder.exists():
            raise InputError(f"{folder}: no such calibration set; make it with lunar-calib make")
        if not folder.is_dir():
            raise InputError(
                f"{folder}: not a folder; a calibration set is one, with {MANIFEST_NAME}"
            )
        if not path.is_file() or path.is_symlink():
            raise InputError(
                f"{folder}: no {MANIFEST_NAME}, so this is no calibration set; make one with "
                "lunar-calib make"
            )
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise InputError(f"{path}: {path.stat().st_size} bytes are too many for a manifest")
        text = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return decode(text, path)


def _unreadable(path: Path, error: OSError) -> InputError:
    where, why = error.filename or path, error.strerror or error
    return InputError(f"{where}: cannot be read ({why}); check its permissions")
