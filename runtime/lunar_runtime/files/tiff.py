"""TIFF images as the file means them, or a line that says what is not supported.

OpenCV's reader takes 16-bit planes for three small pictures, obeys the orientation, and calls
everything that it does not know damaged. So the directory is read here, and libtiff, inside OpenCV,
only unpacks bytes: every image is shown to it as one channel of plain numbers, without predictor,
orientation or colour. What the numbers mean is decided here:

- The first image that is not a reduced copy or a mask is read. Where it is smaller than a later one
  that is not marked as anything else, the file is refused.
- Strips or tiles; chunky or planar; either byte order; 1 to 16 bits unsigned, 8 and 16 bits signed,
  32- and 64-bit floating point; without compression, or LZW, deflate, PackBits (8-bit JPEG goes to
  libtiff as it is).
- The orientation is ignored.
- WhiteIsZero is inverted at every depth; palettes become colours.
- RGB becomes colour. Several bands that the file does not call RGB are read only if they are alike.
- Alpha of 0, GDAL_NODATA in all bands, and zeros of GDAL's internal mask make a pixel invalid.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.tiff_directory import (
    Directory,
    Tag,
    read_directories,
    sub_directories,
    with_directory,
)

#: Decodes a whole file; None if it cannot.
Decode = Callable[[bytes], "NDArray[Any] | None"]

_LOSSLESS = {1: "none", 5: "LZW", 8: "deflate", 32946: "deflate", 32773: "PackBits"}
_PREDICTED = (5, 8, 32946)
_JPEG = 7
_OTHERS = {
    2: "CCITT", 3: "CCITT fax", 4: "CCITT fax", 6: "old JPEG", 34661: "JBIG", 34712: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_DEFLATE_IT = "convert it with gdal_translate -co COMPRESS=DEFLATE"

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _MASK, _YCBCR = 0, 1, 2, 3, 4, 6
_COLOURS = {5: "CMYK", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw sensor", 34892: "raw"}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMATS = {_UNSIGNED: "integers", _SIGNED: "signed integers", _FLOAT: "floating point"}
_HORIZONTAL, _FLOATING = 2, 3
_ALPHAS = (1, 2)


class NotSupportedError(ValueError):
    """The file is whole, but nothing here reads it; the text says how to convert it."""


@dataclass(frozen=True)
class TiffImage:
    """One image of a TIFF.

    Attributes:
        directory: Where it is described.
        width: Columns.
        height: Rows.
        bits: Of a sample; all have the same.
        samples: A pixel's, alpha and others included.
        sample_format: 1 unsigned, 2 signed, 3 floating point.
        photometric: 0 white is zero, 1 black is zero, 2 RGB, 3 palette.
        planar: Whether every sample has an image of its own.
        orientation: As the file says; not obeyed.
        nodata: GDAL_NODATA, or None.
        mask: The directory of GDAL's internal mask, or None.
    """

    directory: Directory
    width: int
    height: int
    bits: int
    samples: int
    sample_format: int
    photometric: int
    planar: bool
    orientation: int
    nodata: float | None
    mask: Directory | None


def find_tiff_image(data: bytes) -> TiffImage:
    """The image of a TIFF that is meant, all of it there.

    Raises:
        NotSupportedError: Nothing here reads it.
        ValueError: Truncated or damaged.
    """
    try:
        directories = read_directories(data)
        image = _choose(directories)
        found = _describe(image, _mask_of(image, directories))
    except NotSupportedError:
        raise
    except ValueError as error:
        raise ValueError("truncated or damaged TIFF") from error
    _check_extents(found.directory)
    return found


def read_tiff(
    image: TiffImage, decode: Decode
) -> tuple[NDArray[Any] | None, NDArray[np.bool_] | None]:
    """Values and validity of an image.

    Args:
        image: From `find_tiff_image`.
        decode: OpenCV.

    Returns:
        (h, w) grey or (h, w, 3) blue, green, red, in native byte order, None if the pixels are
        damaged; and (h, w) bool, None where nothing is said to be invalid.

    Raises:
        NotSupportedError: Several bands, and no word on which is meant.
    """
    if image.directory.integer(Tag.COMPRESSION, 1) == _JPEG:
        values = _whole(image, decode)
        return values, None if values is None else _nodata_validity(values, image.nodata)
    samples = _samples(image, decode)
    if samples is None:
        return None, None
    colours, alpha = _colours(image)
    values = samples[..., :colours]
    valid = _nodata_validity(values, image.nodata)
    if alpha is not None:
        valid = _both(valid, samples[..., alpha] != 0)
    if image.mask is not None:
        mask = _samples(_describe(image.mask, None), decode)
        if mask is None:
            return None, None
        valid = _both(valid, mask[..., 0] != 0)
    return _meaning(image, values), valid


def _choose(directories: list[Directory]) -> Directory:
    full = [one for one in directories if not (one.is_reduced or one.is_mask)]
    if not full:
        full = [
            inner
            for one in directories
            for inner in sub_directories(one)
            if not (inner.is_reduced or inner.is_mask)
        ]
    if not full:
        if all(one.is_mask for one in directories):
            raise NotSupportedError("not supported: a TIFF of masks alone; give the image itself")
        raise NotSupportedError(
            "not supported: a TIFF of reduced images alone; give the file with the full one"
        )
    first, largest = full[0], max(full, key=lambda one: one.width * one.height)
    if first.width * first.height < largest.width * largest.height:
        raise NotSupportedError(
            f"not supported: a TIFF whose first image, {first.width}x{first.height} px, is not its "
            f"largest, {largest.width}x{largest.height} px; write the one that is meant to a file "
            "of its own (tiffcp FILE,1 OUT)"
        )
    return first


def _mask_of(image: Directory, directories: list[Directory]) -> Directory | None:
    size = (image.width, image.height)
    masks = [
        one
        for one in directories
        if one.is_mask and not one.is_reduced and (one.width, one.height) == size
    ]
    return masks[0] if masks else None


def _describe(directory: Directory, mask: Directory | None) -> TiffImage:
    samples = directory.integer(Tag.SAMPLES, 1)
    bits = directory.integers(Tag.BITS) or (1,)
    formats = directory.integers(Tag.SAMPLE_FORMAT) or (_UNSIGNED,)
    compression = directory.integer(Tag.COMPRESSION, 1)
    photometric = directory.integer(Tag.PHOTOMETRIC, _BLACK_IS_ZERO)
    if compression not in (*_LOSSLESS, _JPEG):
        name = _OTHERS.get(compression, f"number {compression}")
        raise NotSupportedError(f"not supported: {name} compression; {_DEFLATE_IT}")
    if len(set(bits)) > 1 or len(set(formats)) > 1:
        raise NotSupportedError(
            f"not supported: bands of {', '.join(map(str, bits))} bits or of several types; choose "
            "one with gdal_translate -b 1"
        )
    sample_format = _UNSIGNED if formats[0] == 4 else formats[0]  # 4: not said
    _check_samples(compression, bits[0], sample_format, samples)
    if photometric in _COLOURS or (photometric == _YCBCR and compression != _JPEG):
        name = _COLOURS.get(photometric, "YCbCr")
        raise NotSupportedError(f"not supported: {name} colours; convert it to grey or RGB")
    return TiffImage(
        directory=directory,
        width=directory.width,
        height=directory.height,
        bits=bits[0],
        samples=samples,
        sample_format=sample_format,
        photometric=photometric,
        planar=directory.integer(Tag.PLANAR, 1) == 2 and samples > 1,
        orientation=directory.integer(Tag.ORIENTATION, 1),
        nodata=_nodata(directory),
        mask=mask,
    )


def _check_samples(compression: int, bits: int, sample_format: int, samples: int) -> None:
    if samples > 4 or samples < 1:
        raise NotSupportedError(
            f"not supported: {samples} bands; choose one with gdal_translate -b 1"
        )
    readable = {
        _UNSIGNED: bits <= 16 or bits == 32,
        _SIGNED: bits in (8, 16, 32),
        _FLOAT: bits in (32, 64),
    }.get(sample_format, False) and (compression != _JPEG or (bits, sample_format) == (8, 1))
    if not readable:
        kind = _FORMATS.get(sample_format, "complex numbers")
        to = "UInt16" if sample_format in (_UNSIGNED, _SIGNED) else "Float32"
        jpeg = " in JPEG compression" if compression == _JPEG else ""
        raise NotSupportedError(
            f"not supported: {bits}-bit {kind}{jpeg}; convert it with gdal_translate -ot {to}"
        )


def _nodata(directory: Directory) -> float | None:
    text = directory.text(Tag.GDAL_NODATA)
    try:
        return float(text) if text else None
    except ValueError:
        return None  # some other program's private use of the number


def _check_extents(directory: Directory) -> None:
    try:
        extents = directory.extents
    except ValueError as error:
        raise ValueError("truncated or damaged TIFF") from error
    if any(count == 0 for _, count in extents):
        raise NotSupportedError(
            "not supported: a sparse TIFF, some strips or tiles of which are not stored; "
            "convert it with gdal_translate -co SPARSE_OK=FALSE -co COMPRESS=DEFLATE"
        )
    if not extents or any(offset + count > len(directory.data) for offset, count in extents):
        raise ValueError("truncated TIFF")


def _whole(image: TiffImage, decode: Decode) -> NDArray[Any] | None:
    """The image decoded as it is, but for its orientation."""
    directory = image.directory
    entries = {tag: one for tag, one in directory.entries.items() if tag != Tag.ORIENTATION}
    values = decode(with_directory(directory.data, directory.layout, entries))
    if values is None:
        return None
    expected = (image.height, image.width)
    if values.dtype != np.uint8 or values.shape[:2] != expected:
        raise NotSupportedError(
            f"not supported: it was decoded as {values.dtype} {values.shape} and not as its header "
            f"says; {_DEFLATE_IT}"
        )
    return values[..., :3] if values.ndim == 3 else values


def _samples(image: TiffImage, decode: Decode) -> NDArray[Any] | None:
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
        Tag.PHOTOMETRIC: [_BLACK_IS_ZERO],
        Tag.FILL_ORDER: [directory.integer(Tag.FILL_ORDER, 1)],
        Tag.SAMPLES: [1],
        Tag.PLANAR: [1],
        Tag.SAMPLE_FORMAT: [_UNSIGNED],
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
    predictor = image.directory.integer(Tag.PREDICTOR, 1) if compression in _PREDICTED else 1
    shape = (*raw.shape[:2], tile, each)
    letter = {_UNSIGNED: "u", _SIGNED: "i", _FLOAT: "f"}[image.sample_format]
    values: NDArray[Any]
    if bits % 8:
        values = _unpack_bits(raw, bits, tile * each).reshape(shape)
    elif predictor == _FLOATING:
        planes = np.cumsum(raw.reshape(*raw.shape[:2], -1, each), axis=2, dtype=np.uint8).reshape(
            *raw.shape[:2], bits // 8, tile * each
        )
        swapped = np.ascontiguousarray(planes.swapaxes(2, 3))
        values = swapped.view(f">{letter}{bits // 8}").reshape(shape)
    else:
        order = image.directory.layout.order
        unsigned = raw.view(f"{order}u{bits // 8}").reshape(shape).astype(f"=u{bits // 8}")
        if predictor == _HORIZONTAL:
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


def _colours(image: TiffImage) -> tuple[int, int | None]:
    """How many of the samples are colours, and which one is alpha, or None."""
    colours = 3 if image.photometric == _RGB else 1
    if image.samples < colours:
        raise NotSupportedError(f"not supported: RGB of {image.samples} bands; write it again")
    extras = image.directory.integers(Tag.EXTRA_SAMPLES)
    alphas = [i for i, kind in enumerate(extras, image.samples - len(extras)) if kind in _ALPHAS]
    if not extras and colours == 3 and image.samples == 4:
        alphas = [3]  # OpenCV and others write no word about it
    alpha = alphas[0] if alphas else None
    if colours == 1:
        colours = image.samples if alpha is None else alpha
    return colours, alpha


def _meaning(image: TiffImage, values: NDArray[Any]) -> NDArray[Any]:
    """Grey (h, w), or blue, green, red (h, w, 3), in which more is brighter."""
    if image.photometric == _RGB:
        return np.ascontiguousarray(values[..., ::-1])
    bands = values.shape[2]
    if any(not np.array_equal(values[..., 0], values[..., i]) for i in range(1, bands)):
        raise NotSupportedError(
            f"not supported: {bands} different bands that the file does not call RGB; choose one "
            "with gdal_translate -b 1"
        )
    grey = np.ascontiguousarray(values[..., 0])
    if image.photometric == _PALETTE:
        table = np.array(image.directory.integers(Tag.COLOUR_MAP), np.uint16)
        if table.size != 3 << image.bits:
            raise NotSupportedError("not supported: a palette without its colours")
        table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
        return np.ascontiguousarray(table.reshape(3, -1)[::-1, grey].transpose(1, 2, 0))
    if image.bits < 8:  # as libtiff shows them: the whole range of 8 bits
        grey = (grey.astype(np.uint16) * 255 // ((1 << image.bits) - 1)).astype(np.uint8)
    if image.photometric != _WHITE_IS_ZERO:
        return grey
    if image.sample_format == _UNSIGNED:
        largest = (1 << max(8, image.bits)) - 1
        return np.asarray(largest - grey, grey.dtype)
    return np.asarray(~grey if image.sample_format == _SIGNED else -grey)


def _nodata_validity(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_] | None:
    """Where not all bands have the value that means none."""
    if nodata is None or np.isnan(nodata):  # NaN is invalid always
        return None
    if values.dtype.kind == "f":
        constant = values.dtype.type(np.clip(nodata, *_limits(values.dtype)))
        invalid = values == constant
    else:
        limits = np.iinfo(values.dtype)
        if nodata != int(nodata) or not limits.min <= nodata <= limits.max:
            return None
        invalid = values == values.dtype.type(int(nodata))
    return np.asarray(~(invalid.all(axis=2) if values.ndim == 3 else invalid))


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.finfo(dtype)
    return float(limits.min), float(limits.max)


def _both(first: NDArray[np.bool_] | None, second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return second if first is None else first & second
