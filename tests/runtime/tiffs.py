"""TIFFs that OpenCV does not write, byte by byte."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from lunar_runtime.files.images import GreyImage, grey_from_array
from numpy.typing import NDArray

from .images import texture


def hand_written_tiff(pixels: NDArray[np.uint8], order: str, big: bool) -> bytes:
    """Two strips, so that offsets and counts are arrays."""
    height, width = pixels.shape
    half = height // 2
    word, count, head = ("Q", "Q", 16) if big else ("I", "H", 8)
    entry, inline = ("HHQ", 8) if big else ("HHI", 4)
    entries = 9
    directory = struct.calcsize("<" + count) + entries * (20 if big else 12) + inline
    arrays = head + directory
    data = arrays + 16
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [8]), (259, "H", [1]),
        (262, "H", [1]), (273, "I", [data, data + half * width]), (277, "H", [1]),
        (278, "I", [half]), (279, "I", [half * width, (height - half) * width]),
    ]  # fmt: skip
    mark = b"II" if order == "<" else b"MM"
    version = ("HHHQ", 43, 8, 0, head) if big else ("HI", 42, head)
    magic = struct.pack(order + version[0], *version[1:])
    body, extra = struct.pack(order + count, entries), b""
    for tag, kind, values in tags:
        body += struct.pack(order + entry, tag, {"H": 3, "I": 4}[kind], len(values))
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > inline:
            body += struct.pack(order + word, arrays + len(extra))
            extra += packed
        else:
            body += packed.ljust(inline, b"\0")
    body += bytes(inline)
    whole = mark + magic + body + extra.ljust(16, b"\0")
    assert len(whole) == data
    return whole + pixels.tobytes()


def tiff_with_directory_first(pixels: np.ndarray) -> bytes:
    """A TIFF whose pixels come last, as libtiff's streaming writers and many cameras lay it out."""
    height, width = pixels.shape
    entries = [
        (256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1),
        (273, 4, 122), (277, 3, 1), (278, 4, height), (279, 4, pixels.size),
    ]  # fmt: skip
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    assert len(head) == 122
    return head + pixels.tobytes()


Tags = dict[int, Any]  # integers in a sequence, or bytes

#: Numbers of what tests write.
PHOTOMETRIC, ORIENTATION, EXTRA_SAMPLES, GDAL_NODATA = 262, 274, 338, 42113
SUBFILE, COMPRESSION, PREDICTOR, COLOUR_MAP, FILL_ORDER = 254, 259, 317, 320, 266


def make_tiff(
    values: NDArray[Any],
    tags: Tags | None = None,
    *,
    order: str = "<",
    planar: bool = False,
    tile: int | None = None,
    rows: int = 10,
    deflate: bool = True,
    predictor: int = 1,
    first: Sequence[tuple[NDArray[Any], Tags]] = (),
) -> bytes:
    """A TIFF of one image or more, of any number of bands, uncompressed or deflated.

    Args:
        values: (h, w) or (h, w, bands).
        tags: Beside the necessary ones, or instead of them; an empty value leaves a tag out.
            With COMPRESSION 7 the first band's strips are JPEG; `rows` is then a multiple of 8.
        order: `<` or `>`.
        planar: Each band by itself.
        tile: Side of square tiles; None = strips.
        rows: Of a strip.
        deflate: Compress.
        predictor: 1 none, 2 differences, 3 of floating point; deflated images only.
        first: Images and their tags that stand before it.
    """
    content = (b"II*\0" if order == "<" else b"MM\0*") + bytes(4)
    link = 4
    for image, more in (*first, (values, tags or {})):
        bands = np.atleast_3d(image)
        planes = np.split(bands, bands.shape[2], axis=2) if planar else [bands]
        if more.get(COMPRESSION) == [7]:
            packed = [jpeg(bands[top : top + rows]) for top in range(0, bands.shape[0], rows)]
        else:
            chunks = [c for plane in planes for c in _chunks(plane, tile, rows, predictor, order)]
            packed = [zlib.compress(chunk) if deflate else chunk for chunk in chunks]
        offsets = []
        for chunk in packed:
            content += b"\0" * (len(content) % 2)
            offsets.append(len(content))
            content += chunk
        content += b"\0" * (len(content) % 2)
        directory = _directory(bands, planar, tile, rows, deflate, predictor)
        directory |= {
            (273, 324)[bool(tile)]: offsets,
            (279, 325)[bool(tile)]: list(map(len, packed)),
        }
        body = _entries({**directory, **more}, len(content), order)
        content = content[:link] + struct.pack(order + "I", body[1]) + content[link + 4 :] + body[0]
        link = len(content) - 4
    return content


def jpeg(bands: NDArray[Any]) -> bytes:
    """A strip of the first band."""
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(bands[..., :1]))
    assert done
    return data.tobytes()


def _directory(
    bands: NDArray[Any],
    planar: bool,
    tile: int | None,
    rows: int,
    deflate: bool,
    predictor: int,
) -> Tags:
    height, width, count = bands.shape
    kind = {"u": 1, "i": 2, "f": 3}[bands.dtype.kind]
    size: Tags = {322: [tile], 323: [tile]} if tile else {278: [rows]}
    return {
        256: [width], 257: [height], 258: [8 * bands.dtype.itemsize] * count,
        259: [8 if deflate else 1], PHOTOMETRIC: [2 if count in (3, 4) else 1], 277: [count],
        284: [2 if planar else 1], PREDICTOR: [predictor], 339: [kind] * count, **size,
    }  # fmt: skip


def _chunks(
    bands: NDArray[Any], tile: int | None, rows: int, predictor: int, order: str
) -> Iterator[bytes]:
    height, width = bands.shape[:2]
    rows, columns = (tile, tile) if tile else (rows, width)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            part = bands[top : top + rows, left : left + columns]
            if tile:
                missing = [(0, rows - part.shape[0]), (0, columns - part.shape[1]), (0, 0)]
                part = np.pad(part, missing)
            yield _predicted(part, predictor, order)


def _predicted(part: NDArray[Any], predictor: int, order: str) -> bytes:
    size = part.dtype.itemsize
    if predictor == 3:
        high_first = np.ascontiguousarray(part.astype(part.dtype.newbyteorder(">")))
        rows = high_first.view(np.uint8).reshape(part.shape[0], -1, size).swapaxes(1, 2)
        by_band = rows.reshape(part.shape[0], -1, part.shape[2])
        return bytes(np.diff(by_band, axis=1, prepend=np.uint8(0)).tobytes())
    plain = np.ascontiguousarray(part).view(f"u{size}")
    if predictor == 2:
        plain = np.diff(plain, axis=1, prepend=plain.dtype.type(0))
    return bytes(plain.astype(f"{order}u{size}").tobytes())


def _entries(tags: Tags, at: int, order: str) -> tuple[bytes, int]:
    """Arrays and directory that come at a place, and the place of the directory."""
    arrays, entries = b"", []
    for tag, value in sorted(tags.items()):
        if not value:
            continue
        kind, size = (2, 1) if isinstance(value, bytes) else (4, 4)
        if tag == COLOUR_MAP:
            kind, size = 3, 2
        raw = (
            value
            if isinstance(value, bytes)
            else struct.pack(f"{order}{len(value)}{'H' if size == 2 else 'I'}", *value)
        )
        inline = raw.ljust(4, b"\0")
        if len(raw) > 4:
            inline = struct.pack(order + "I", at + len(arrays))
            arrays += raw + b"\0" * (len(raw) % 2)
        entries.append(struct.pack(order + "HHI4s", tag, kind, len(raw) // size, inline))
    body = struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
    return arrays + body, at + len(arrays)


def relief(dtype: str, bands: int = 1, seed: int = 0) -> NDArray[Any]:
    """(45, 70) or (45, 70, bands) over much of a type's range."""
    layers = [texture(seed + band, 45, 70).astype(np.float64) for band in range(bands)]
    scale, offset = {"uint8": (1, 0), "int16": (100, -9000)}.get(dtype, (200, 1000))
    values = (np.stack(layers, axis=2) * scale + offset).astype(dtype)
    return values if bands > 1 else values[..., 0]


def same(image: GreyImage, values: NDArray[Any]) -> None:
    """As if the values had been given as an array, colours in OpenCV's order."""
    expected = grey_from_array(values)
    np.testing.assert_array_equal(image.pixels, expected.pixels)
    assert (image.dtype, image.stretch) == (expected.dtype, expected.stretch)
