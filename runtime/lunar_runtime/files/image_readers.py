"""Images in formats that other packages read, the planetary ones of `lunar_ground` among them.

A reader is one function, and a line for each suffix in its package's pyproject.toml:

    [project.entry-points."lunar_edge.image_readers"]
    cub = "lunar_ground.planetary.reader:open_planetary"

The entry point's name is a suffix without its dot, in small letters. A reader is imported only when
a file asks for it: by its first bytes, where these tell an ISIS or PDS label, else by its suffix.
PNG, JPEG, TIFF and PGM files are never handed to a reader, whatever they are called.

`FILE+3` is the third band of FILE, as ISIS' own tools have it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.entry_points import EntryPoint, entry_points
from lunar_runtime.files.regular_file import open_regular
from lunar_runtime.files.window import Window

GROUP = "lunar_edge.image_readers"


class ImageSource(Protocol):
    """An image that can be read in parts."""

    @property
    def kind(self) -> str:
        """Of file, in a sentence: `ISIS cube`."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that it is in."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What makes it no camera's view: parts of sentences that begin with a verb."""

    def read(self, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """(h, w) values of a window inside the image, and where they are measurements.

        Raises:
            InputError: They cannot be read.
        """


#: Opens a file, and one of its bands (from 1; None if there is but one). Raises InputError.
ImageReader = Callable[[Path, int | None], ImageSource]

_KNOWN_BYTES = (b"\x89PNG", b"\xff\xd8", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"P5", b"P6")
_HEAD_BYTES = 1024
# By what a label begins with, and the suffix that its reader is asked for by.
_LABELS = (
    (re.compile(rb"\s*Object\s*=\s*IsisCube", re.IGNORECASE), "cub"),
    (re.compile(rb"\s*(PDS_VERSION_ID|ODL_VERSION_ID|CCSD3Z|NJPL1I)"), "lbl"),
    (re.compile(rb"(\xef\xbb\xbf)?\s*<(\?xml|\w+:?Product_)"), "xml"),
)
_GROUND = ("cub", "img", "lbl", "lblx", "qub", "xml")
_GROUND_EXTRA = "pip install 'lunar-edge[ground]'"
_BAND = re.compile(r"(.+)\+(\d{1,6})")
_CHUNK = 1 << 20


def open_source(path: Path) -> ImageSource | None:
    """Open an image by the reader that its file asks for.

    Args:
        path: The file, or the file and one of its bands.

    Returns:
        None where the file asks for none, or is not there.

    Raises:
        InputError: The reader is not installed or broken, or it refuses the file.
    """
    file, band = _split_band(path)
    suffix = file.suffix.lower().removeprefix(".")
    try:
        with open_regular(file, "an image file") as content:
            head = content[:_HEAD_BYTES]
    except InputError:  # told again by whoever reads it whole
        return None
    if head.startswith(_KNOWN_BYTES) or not head:
        return None
    labelled = next((name for label, name in _LABELS if label.match(head)), None)
    name = labelled or suffix
    found = entry_points(GROUP) if name else ()
    entry = next((one for one in found if one.name == name), None)
    if entry is None and name not in _GROUND:
        return None
    return _reader(entry, path, name)(file, band)


def digest(source: ImageSource, most_bytes: int) -> str | None:
    """SHA-256 of a source's files, one after the other; None where they are larger than asked."""
    if sum(file.stat().st_size for file in source.files) > most_bytes:
        return None
    total = hashlib.sha256()
    for file in source.files:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                total.update(chunk)
    return total.hexdigest()


def _split_band(path: Path) -> tuple[Path, int | None]:
    match = _BAND.fullmatch(str(path))
    if match is None or path.exists():
        return path, None
    return Path(match[1]), int(match[2])


def _reader(entry: EntryPoint | None, path: Path, name: str) -> ImageReader:
    problem = f"{path}: {name} images are not supported without"
    if entry is None:
        raise InputError(f"{problem} lunar_ground; {_GROUND_EXTRA}")
    try:
        reader: ImageReader = entry.load()
    except ModuleNotFoundError as error:
        repair = _GROUND_EXTRA if name in _GROUND else f"install it, or repair {entry.package}"
        missing = (error.name or "its modules").partition(".")[0]
        raise InputError(f"{problem} {missing}; {repair}") from error
    except Exception as error:  # whatever another project's module does when it is imported
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: the reader of {name} images of package {entry.package} cannot be loaded "
            f"({reason}); update or uninstall {entry.package}"
        ) from error
    return reader
