"""The numbers of a TIFF image, unpacked.

libtiff, inside OpenCV, only takes the compression away: every image is shown to it as one channel
of plain bytes or 16-bit words, as wide as a row has them. Predictors, byte order, planes and bits
are undone here, the same way for every type and number of bands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.tiff.directory import Content, Tag, with_directory
from lunar_runtime.files.tiff.image import (
    FLOATING,
    HORIZONTAL,
    PREDICTED,
    NotSupportedError,
    Photometric,
    SampleFormat,
    TiffImage,
)
from lunar_runtime.files.window import Window

#: Decodes a whole file; None if it cannot.
Decode = Callable[[bytes], "NDArray[Any] | None"]

Extents = list[tuple[int, int]]

_MOST_PIXELS = 100_000_000  # of a strip or row of tiles that is decoded for a part of it
_PIXELS_AT_ONCE = 16_000_000
_PIXELS_A_STRIP = 1_000_000
_MOST_BYTES = 1 << 30


class Block(NamedTuple):
    """Strips, or tiles, of some rows of an image.

    Attributes:
        data: That holds them.
        extents: Place and length of each.
        tiles: How many are beside each other; 1 of strips.
        height: Rows, of all.
        rows: Of one; of the last strip perhaps less.
    """

    data: Content
    extents: Extents
    tiles: int
    height: int
    rows: int


_LETTERS: dict[int, str] = {
    SampleFormat.UNSIGNED: "u",
    SampleFormat.SIGNED: "i",
    SampleFormat.FLOAT: "f",
}


def read_samples(
    image: TiffImage, decode: Decode, window: Window | None = None
) -> NDArray[Any] | None:
    """Numbers of an image, or of a window of it, of which only what it needs is decoded.

    Args:
        image: Of the file.
        decode: OpenCV.
        window: What is wanted, within the image; None = all.

    Returns:
        (h, w, samples) in native byte order; None if they are damaged.

    Raises:
        NotSupportedError: A strip is too large to take a part of it.
    """
    planes = image.samples if image.planar else 1
    each = 1 if image.planar else image.samples
    extents = image.directory.extents
    if len(extents) % planes:
        return None
    step = len(extents) // planes
    found = []
    for plane in range(planes):
        own = extents[plane * step : (plane + 1) * step]
        values = (
            _whole_plane(image, own, each, decode)
            if window is None
            else _part_of_plane(image, own, each, decode, window)
        )
        if values is None:
            return None
        found.append(values)
    return found[0] if planes == 1 else np.concatenate(found, axis=2)


def _whole_plane(
    image: TiffImage, extents: Extents, each: int, decode: Decode
) -> NDArray[Any] | None:
    tiles = -(-image.width // _tile_width(image))
    block = Block(image.directory.data, extents, tiles, image.height, _block_rows(image))
    raw = _raw_bytes(image, block, each, decode)
    return None if raw is None else _unpack(image, raw, each)[:, : image.width]


def _part_of_plane(
    image: TiffImage, extents: Extents, each: int, decode: Decode, window: Window
) -> NDArray[Any] | None:
    """(h, w, each) of a window, some rows of strips or tiles at a time."""
    tile, rows = _tile_width(image), _block_rows(image)
    across = -(-image.width // tile)
    if len(extents) == 1 and image.directory.integer(Tag.COMPRESSION, 1) == 1:
        extents, rows = _in_rows(image, extents[0], each)
    if len(extents) != across * -(-image.height // rows):
        return None
    first, last = window.x // tile, (window.x + window.width - 1) // tile
    tiles = last - first + 1
    if rows * tiles * tile > _MOST_PIXELS:
        raise NotSupportedError(
            f"not supported: a part of a TIFF whose strips have {tile}x{rows} px; convert it with "
            "gdal_translate -co TILED=YES -co COMPRESS=DEFLATE"
        )
    together = max(1, _PIXELS_AT_ONCE // (rows * tiles * tile))
    found = []
    end = window.y + window.height
    for top in range(window.y // rows, -(-end // rows), together):
        bottom = min(top + together, -(-end // rows))
        height = min(bottom * rows, image.height) - top * rows
        chosen = [
            extents[line * across + column]
            for line in range(top, bottom)
            for column in range(first, last + 1)
        ]
        raw = _raw_bytes(image, _copied(image, chosen, tiles, height, rows), each, decode)
        if raw is None:
            return None
        left = window.x - first * tile
        values = _unpack(image, raw, each)[:, left : left + window.width]
        found.append(values[max(0, window.y - top * rows) : end - top * rows])
    return np.concatenate(found)


def _in_rows(image: TiffImage, extent: tuple[int, int], each: int) -> tuple[Extents, int]:
    """An image without compression in one strip, as strips of some rows, and how many."""
    if Tag.TILE_OFFSETS in image.directory.entries:
        return [extent], _block_rows(image)
    rows = max(1, _PIXELS_A_STRIP // image.width)
    row = (image.width * each * image.bits + 7) // 8
    tops = range(0, image.height, rows)
    return [(extent[0] + top * row, min(rows, image.height - top) * row) for top in tops], rows


def _copied(image: TiffImage, extents: Extents, tiles: int, height: int, rows: int) -> Block:
    """Some strips or tiles, in a file of their own, which has no directory yet."""
    if sum(count for _, count in extents) > _MOST_BYTES:
        raise ValueError("strips are larger than what they hold")
    data = image.directory.data
    parts, moved, at = [data[:16]], [], 16
    for offset, count in extents:
        parts.append(data[offset : offset + count])
        moved.append((at, count))
        at += count
    return Block(b"".join(parts), moved, tiles, height, rows)


def _raw_bytes(
    image: TiffImage, block: Block, each: int, decode: Decode
) -> NDArray[np.uint8] | None:
    """(h, tiles, bytes of a tile's row) as they come out of the compression, in file order."""
    directory, tiles = image.directory, block.tiles
    tile = _tile_width(image)
    row = (tile * each * image.bits + 7) // 8
    # As 16-bit words where they are whole: OpenCV spends four bytes on every 8-bit pixel, and fails
    # on some uncompressed tiles of them.
    word = 2 if row % 2 == 0 else 1
    offsets = [offset for offset, _ in block.extents]
    counts = [count for _, count in block.extents]
    entries: dict[int, Sequence[int]] = {
        Tag.WIDTH: [tiles * row // word],
        Tag.HEIGHT: [block.height],
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
            needed = row * block.rows
            counts = [min(count, needed) for count in counts]
        entries |= {
            Tag.TILE_WIDTH: [row // word],
            Tag.TILE_HEIGHT: [block.rows],
            Tag.TILE_OFFSETS: offsets,
            Tag.TILE_BYTES: counts,
        }
    else:
        entries |= {
            Tag.ROWS_PER_STRIP: [min(block.rows, block.height)],
            Tag.STRIP_OFFSETS: offsets,
            Tag.STRIP_BYTES: counts,
        }
    values = decode(with_directory(block.data, directory.layout, entries))
    dtype = np.uint16 if word == 2 else np.uint8
    if (
        values is None
        or values.dtype != dtype
        or values.shape
        != (
            block.height,
            tiles * row // word,
        )
    ):
        return None
    if word == 2:  # libtiff made them native; put the file's order back
        values = values.astype(directory.layout.order + "u2", copy=False)
    return np.ascontiguousarray(values).view(np.uint8).reshape(block.height, tiles, row)


def _unpack(image: TiffImage, raw: NDArray[np.uint8], each: int) -> NDArray[Any]:
    """(h, tiles · tile, each) numbers of rows of bytes; predictors run along a tile's row."""
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
    return native.reshape(raw.shape[0], -1, each)


def _unpack_bits(raw: NDArray[np.uint8], bits: int, numbers: int) -> NDArray[Any]:
    """(…, numbers) of 1 to 15 bits, the most significant first, as uint8 or uint16."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    found = np.empty((*raw.shape[:-1], numbers), dtype)
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(dtype)
    for row in range(raw.shape[0]):  # a byte a bit: not of the whole image at once
        each = np.unpackbits(raw[row], axis=-1)[..., : numbers * bits]
        found[row] = each.reshape(*each.shape[:-1], numbers, bits) @ weights
    return found


def _block_rows(image: TiffImage) -> int:
    """Of a strip or tile."""
    tiled = Tag.TILE_OFFSETS in image.directory.entries
    rows = image.directory.integer(Tag.TILE_HEIGHT if tiled else Tag.ROWS_PER_STRIP, image.height)
    return max(1, rows if tiled else min(rows, image.height))


def _tile_width(image: TiffImage) -> int:
    tiled = Tag.TILE_OFFSETS in image.directory.entries
    return max(1, image.directory.integer(Tag.TILE_WIDTH, image.width)) if tiled else image.width
