"""What kind of image a file is, how large it says it is, and whether all of it is there.

Read before any decoder runs: a header of 40 bytes can ask a decoder for 40 GB, and decoders fill
the missing half of a truncated file with grey instead of complaining.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

# A marker inside JPEG's entropy-coded data: 0xFF not followed by a stuffed zero, a restart marker
# (D0-D7) or a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# C4, C8 and CC in their midst are tables and an extension.
_JPEG_START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

_TIFF_WIDTH, _TIFF_HEIGHT = 256, 257
_TIFF_EXTENTS = ((273, 279), (324, 325))  # (offsets, byte counts) of strips and of tiles
_TIFF_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}

_PGM = re.compile(
    rb"P([56])(?:\s+#[^\n]*)*\s+(\d+)\s+(?:#[^\n]*\s+)*(\d+)\s+(?:#[^\n]*\s+)*(\d+)\s"
)


class ImageHeader(NamedTuple):
    """Kind (`PNG`, `JPEG`, `TIFF`, `PGM`) and size in pixels."""

    kind: str
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader:
    """Kind and size of an encoded image that is all there.

    Raises:
        ValueError: Not one of the four kinds, or truncated or damaged; the text says which.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(data)
    if data[:2] in (b"P5", b"P6"):
        return _pgm(data)
    raise ValueError("not a PNG, JPEG, TIFF or PGM image")


def _png(data: bytes) -> ImageHeader:
    size: tuple[int, int] | None = None
    at = 8
    view = memoryview(data)
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            break
        if (
            zlib.crc32(view[at + 4 : at + 8 + length])
            != struct.unpack_from(">I", data, at + 8 + length)[0]
        ):
            raise ValueError(f"damaged PNG (checksum of chunk at byte {at})")
        if name == b"IHDR" and length >= 8:
            size = struct.unpack_from(">II", data, at + 8)
        if name == b"IEND" and size:
            return ImageHeader("PNG", *size)
        at += 12 + length
    raise ValueError("truncated PNG")


def _jpeg(data: bytes) -> ImageHeader:
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise ValueError(f"damaged JPEG (no marker at byte {at})")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            break
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _JPEG_START_OF_FRAME and at + 9 <= len(data):
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = (width, height)
        at += 2 + length
        if marker == 0xDA:  # entropy-coded data follow, up to the next marker
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise ValueError("truncated JPEG")
            at = found.start()
    if size is None or data[at : at + 2] != b"\xff\xd9":
        raise ValueError("truncated JPEG")
    return ImageHeader("JPEG", *size)


def _tiff(data: bytes) -> ImageHeader:
    try:
        tags = _tiff_tags(data)
        size = (tags[_TIFF_WIDTH][0], tags[_TIFF_HEIGHT][0])
        extents = [
            (offset, count)
            for offsets, counts in _TIFF_EXTENTS
            for offset, count in zip(tags.get(offsets, ()), tags.get(counts, ()), strict=True)
        ]
    except (struct.error, KeyError, IndexError, ValueError) as error:
        raise ValueError("truncated or damaged TIFF") from error
    if not extents or any(offset + count > len(data) for offset, count in extents):
        raise ValueError("truncated TIFF")
    return ImageHeader("TIFF", *size)


def _tiff_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Integer tags of the first directory, of a TIFF or a BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    step, inline, entry = (20, 8, order + "HHQ") if big else (12, 4, order + "HHI")
    tags = {}
    for _ in range(min(entries, 4096)):
        tag, kind, count = struct.unpack_from(entry, data, at)
        if kind in _TIFF_INTEGERS:
            values = f"{order}{count}{_TIFF_INTEGERS[kind]}"
            where = at + step - inline
            if count * struct.calcsize(_TIFF_INTEGERS[kind]) > inline:
                (where,) = struct.unpack_from(order + ("Q" if big else "I"), data, where)
            if where + count > len(data):
                raise ValueError("tag beyond the end of the file")
            tags[tag] = struct.unpack_from(values, data, where)
        at += step
    return tags


def _pgm(data: bytes) -> ImageHeader:
    found = _PGM.match(data[:4096])
    if found is None:
        raise ValueError("damaged PGM header")
    kind, width, height, largest = (int(group) for group in found.groups())
    samples = width * height * (3 if kind == 6 else 1)
    if found.end() + samples * (2 if largest > 255 else 1) > len(data):
        raise ValueError("truncated PGM")
    return ImageHeader("PGM", width, height)
