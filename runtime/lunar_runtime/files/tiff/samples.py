"""The numbers of a TIFF image, unpacked.

libtiff, inside OpenCV, only takes the compression away: every image is shown to it as one channel
of plain bytes or 16-bit words, as wide as a row has them. Predictors, byte order, planes and bits
are undone here, the same way for every type and number of bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.tiff.directory import Tag, with_directory
from lunar_runtime.files.tiff.image import (
    FLOATING,
    HORIZONTAL,
    PREDICTED,
    Photometric,
    SampleFormat,
    TiffImage,
)

#: Decodes a whole file; None if it cannot.
Decode = Callable[[bytes], "NDArray[Any] | None"]

_LETTERS: dict[int, str] = {
    SampleFormat.UNSIGNED: "u",
    SampleFormat.SIGNED: "i",
    SampleFormat.FLOAT: "f",
}


def read_samples(image: TiffImage, decode: Decode) -> NDArray[Any] | None:
    """(h, w, samples) in native byte order; None if they are damaged."""
    planes = image.samples if image.planar else 1
    each = 1 if image.planar else image.samples
    extents = image.directory.extents
    if len(extents) % planes:
        return None
    step = len(extents) // planes
    found = []
    for plane in range(planes):
        raw = _raw_bytes(image, extents[plane * step : (plane + 1) * step], each, decode)
        if raw is None:
            return None
        found.append(_unpack(image, raw, each))
    return found[0] if planes == 1 else np.concatenate(found, axis=2)


def _raw_bytes(
    image: TiffImage, extents: list[tuple[int, int]], each: int, decode: Decode
) -> NDArray[np.uint8] | None:
    """(h, tiles, bytes of a tile's row) as they come out of the compression, in file order."""
    directory = image.directory
    tile = _tile_width(image)
    tiles = -(-image.width // tile)
    row = (tile * each * image.bits + 7) // 8
    # As 16-bit words where they are whole: OpenCV spends four bytes on every 8-bit pixel, and fails
    # on some uncompressed tiles of them.
    word = 2 if row % 2 == 0 else 1
    offsets = [offset for offset, _ in extents]
    counts = [count for _, count in extents]
    entries: dict[int, Sequence[int]] = {
        Tag.WIDTH: [tiles * row // word],
        Tag.HEIGHT: [image.height],
        Tag.BITS: [8 * word],
        Tag.COMPRESSION: [directory.integer(Tag.COMPRESSION, 1)],
        Tag.PHOTOMETRIC: [Photometric.BLACK_IS_ZERO],
        Tag.FILL_ORDER: [directory.integer(Tag.FILL_ORDER, 1)],
        Tag.SAMPLES: [1],
        Tag.PLANAR: [1],
        Tag.SAMPLE_FORMAT: [SampleFormat.UNSIGNED],
    }
    if Tag.TILE_OFFSETS in directory.entries:
        if directory.integer(Tag.COMPRESSION, 1) == 1:  # some writers pad; libtiff then refuses
            needed = row * directory.integer(Tag.TILE_HEIGHT, image.height)
            counts = [min(count, needed) for count in counts]
        entries |= {
            Tag.TILE_WIDTH: [row // word],
            Tag.TILE_HEIGHT: [directory.integer(Tag.TILE_HEIGHT, image.height)],
            Tag.TILE_OFFSETS: offsets,
            Tag.TILE_BYTES: counts,
        }
    else:
        rows = min(directory.integer(Tag.ROWS_PER_STRIP, image.height), image.height)
        entries |= {
            Tag.ROWS_PER_STRIP: [rows],
            Tag.STRIP_OFFSETS: offsets,
            Tag.STRIP_BYTES: counts,
        }
    values = decode(with_directory(directory.data, directory.layout, entries))
    dtype = np.uint16 if word == 2 else np.uint8
    if (
        values is None
        or values.dtype != dtype
        or values.shape
        != (
            image.height,
            tiles * row // word,
        )
    ):
        return None
    if word == 2:  # libtiff made them native; put the file's order back
        values = values.astype(directory.layout.order + "u2", copy=False)
    return np.ascontiguousarray(values).view(np.uint8).reshape(image.height, tiles, row)


def _unpack(image: TiffImage, raw: NDArray[np.uint8], each: int) -> NDArray[Any]:
    """(h, w, each) numbers of rows of bytes; predictors run along a tile's row."""
    bits, tile = image.bits, _tile_width(image)
    compression = image.directory.integer(Tag.COMPRESSION, 1)
    predictor = image.directory.integer(Tag.PREDICTOR, 1) if compression in PREDICTED else 1
    shape = (*raw.shape[:2], tile, each)
    letter = _LETTERS[image.sample_format]
    values: NDArray[Any]
    if bits % 8:
        values = _unpack_bits(raw, bits, tile * each).reshape(shape)
    elif predictor == FLOATING:
        planes = np.cumsum(raw.reshape(*raw.shape[:2], -1, each), axis=2, dtype=np.uint8).reshape(
            *raw.shape[:2], bits // 8, tile * each
        )
        swapped = np.ascontiguousarray(planes.swapaxes(2, 3))
        values = swapped.view(f">{letter}{bits // 8}").reshape(shape)
    else:
        order = image.directory.layout.order
        unsigned = raw.view(f"{order}u{bits // 8}").reshape(shape).astype(f"=u{bits // 8}")
        if predictor == HORIZONTAL:
            unsigned = np.cumsum(unsigned, axis=2, dtype=unsigned.dtype)
        values = unsigned.view(f"={letter}{bits // 8}")
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return native.reshape(raw.shape[0], -1, each)[:, : image.width]


def _unpack_bits(raw: NDArray[np.uint8], bits: int, numbers: int) -> NDArray[Any]:
    """(…, numbers) of 1 to 15 bits, the most significant first, as uint8 or uint16."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    found = np.empty((*raw.shape[:-1], numbers), dtype)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(dtype)
    for row in range(raw.shape[0]):  # a byte a bit: not of the whole image at once
        each = np.unpackbits(raw[row], axis=-1)[..., : numbers * bits]
        found[row] = each.reshape(*each.shape[:-1], numbers, bits) @ weights
    return found


def _tile_width(image: TiffImage) -> int:
    tiled = Tag.TILE_OFFSETS in image.directory.entries
    return max(1, image.directory.integer(Tag.TILE_WIDTH, image.width)) if tiled else image.width
