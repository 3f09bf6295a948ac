"""An image file's values, or those of a window of it, whatever its format.

A file that is whole, but of a kind that is not read, is "not supported"; "damaged" is only what is
damaged. The limits on the size are those of the window where one can be read without the rest, else
of the whole image.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.decode import IN_PARTS, decode_image
from lunar_runtime.files.grey_image import check_size
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.image_readers import ImageSource, digest, open_source
from lunar_runtime.files.regular_file import FileSlices, check_bytes, open_regular
from lunar_runtime.files.tiff.directory import Content
from lunar_runtime.files.tiff.image import NotSupportedError
from lunar_runtime.files.window import Window

MAX_BYTES = 1 << 30

# A file up to this is read whole, also for a window: once through costs less than many places.
_SMALL_BYTES = 1 << 26


class Decoded(NamedTuple):
    """What a file holds, or a window of it.

    Attributes:
        values: (h, w) grey or (h, w, 3) colour.
        valid: (h, w) bool as far as the file says; None = all.
        samples: A pixel, as the header says.
        whole: Width and height of the whole image.
        sha256: Of the file, or of a label's file and its pixels' one after the other; None where
            only parts were read.
        notes: What the file says that makes the image no camera's view.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None
    samples: int
    whole: tuple[int, int]
    sha256: str | None
    notes: tuple[str, ...] = ()


def decode_file(file: Path, window: Window | None = None) -> Decoded:
    """Read an image file as it is. Of a TIFF or PGM over 64 MiB only what the window needs.

    A mask beside it, FILE.msk as GDAL writes them, counts as the file's own.

    Raises:
        InputError: Missing, not an image, not supported, damaged, truncated, smaller than 32 px a
            side, larger than 100 megapixels; or the window leaves it.
    """
    source = open_source(file)
    if source is not None:
        return _decode_source(source, str(file), window)
    with open_regular(file, "an image file") as content:
        decoded = _decode(file, content, window)
    mask = Path(f"{file}.msk")
    return _masked(decoded, mask, window) if os.path.isfile(mask) else decoded  # noqa: PTH113


def _masked(decoded: Decoded, mask: Path, window: Window | None) -> Decoded:
    """Less what a mask of GDAL's has as 0.

    Raises:
        InputError: It cannot be read, or is of another size.
    """
    with open_regular(mask, "an image's mask") as content:
        beside = _decode(mask, content, window)
    if beside.whole != decoded.whole:
        raise InputError(
            f"{mask}: {beside.whole[0]}x{beside.whole[1]} px, but its image has "
            f"{decoded.whole[0]}x{decoded.whole[1]}; remove it, or write it again"
        )
    usable = beside.values != 0
    usable = usable if usable.ndim == 2 else usable.any(axis=2)
    valid = usable if decoded.valid is None else decoded.valid & usable
    return decoded._replace(valid=valid)


def _decode_source(source: ImageSource, name: str, window: Window | None) -> Decoded:
    part = window or Window(0, 0, *source.size)
    part.check_inside(name, *source.size)
    check_size(name, part.width, part.height, "choose a part with `window`")
    values, valid = source.read(part)
    sha256 = None if window else digest(source, MAX_BYTES)
    return Decoded(values, valid, 1, source.size, sha256, source.notes)


def _decode(file: Path, content: FileSlices, window: Window | None) -> Decoded:
    data, sha256 = _data(file, content, window)
    try:
        header = read_header(data)
        whole = (header.width, header.height)
        if window is not None:
            window.check_inside(str(file), *whole)
        in_parts = header.kind in IN_PARTS
        if window is None or not in_parts:
            instead = "choose a part with `window`" if in_parts else "crop or shrink it first"
            check_size(str(file), *whole, instead)
        if window is not None:
            check_size(f"{file}: window {window}", window.width, window.height)
        values, valid = decode_image(data, header, window)
    except NotSupportedError as error:
        raise InputError(f"{file}: {error}") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{file}: {error}; copy or convert it again") from error
    return Decoded(values, valid, header.samples, whole, sha256)


def _data(file: Path, content: FileSlices, window: Window | None) -> tuple[Content, str | None]:
    """A file's bytes, all in memory where they must or may be, and then their SHA-256."""
    starts = (b"II", b"MM", b"P5", b"P6")
    if window is not None and len(content) > _SMALL_BYTES and content[:2] in starts:
        return content, None
    check_bytes(file, content, MAX_BYTES, "crop or convert it first")
    data = content.whole(MAX_BYTES)
    if not data:
        raise InputError(f"{file}: is empty; copy it again")
    return data, hashlib.sha256(data).hexdigest()
