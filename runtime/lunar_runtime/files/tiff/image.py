"""Which image of a TIFF is meant, and whether anything here reads it.

- The first image that is not a reduced copy or a mask. Where it is smaller than a later one that is
  not marked as anything else, the file is refused.
- Strips or tiles; chunky or planar; either byte order; 1 to 16 bits unsigned, 8 and 16 bits signed,
  32- and 64-bit floating point; without compression, or LZW, deflate, PackBits, or JPEG of 8 bits.
- Up to four bands of one type.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from lunar_runtime.files.tiff.directory import (
    Content,
    Directory,
    Tag,
    read_directories,
    sub_directories,
)

#: Compressions with which samples may be stored as differences.
PREDICTED = (5, 8, 32946)
JPEG = 7
DEFLATE_IT = "convert it with gdal_translate -co COMPRESS=DEFLATE"

#: Predictors: differences of neighbours, and of the bytes of floating point.
HORIZONTAL, FLOATING = 2, 3

_LOSSLESS = (1, 32773, *PREDICTED)  # none, PackBits; LZW, deflate under two numbers
_OTHERS = {
    2: "CCITT", 3: "CCITT fax", 4: "CCITT fax", 6: "old JPEG", 34661: "JBIG", 34712: "JPEG 2000",
    34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip

_COLOURS = {5: "CMYK", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw sensor", 34892: "raw"}


class Photometric(IntEnum):
    """What a pixel's samples mean."""

    WHITE_IS_ZERO = 0
    BLACK_IS_ZERO = 1
    RGB = 2
    PALETTE = 3
    YCBCR = 6


class SampleFormat(IntEnum):
    """What kind of number a sample is."""

    UNSIGNED = 1
    SIGNED = 2
    FLOAT = 3


_FORMATS: dict[int, str] = {
    SampleFormat.UNSIGNED: "integers",
    SampleFormat.SIGNED: "signed integers",
    SampleFormat.FLOAT: "floating point",
}


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
        sample_format: A `SampleFormat`.
        photometric: A `Photometric`, or another number that means black is zero.
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


def find_tiff_image(data: Content) -> TiffImage:
    """The image of a TIFF that is meant, all of it there.

    Raises:
        NotSupportedError: Nothing here reads it.
        ValueError: Truncated or damaged.
    """
    try:
        directories = read_directories(data)
        image = _choose(directories)
        found = describe(image, _mask_of(image, directories))
    except NotSupportedError:
        raise
    except ValueError as error:
        raise ValueError("truncated or damaged TIFF") from error
    _check_extents(found.directory)
    return found


def describe(directory: Directory, mask: Directory | None) -> TiffImage:
    """An image by its directory.

    Raises:
        NotSupportedError: Nothing here reads it.
        ValueError: The directory is not whole.
    """
    samples = directory.integer(Tag.SAMPLES, 1)
    bits = directory.integers(Tag.BITS) or (1,)
    formats = directory.integers(Tag.SAMPLE_FORMAT) or (SampleFormat.UNSIGNED,)
    compression = directory.integer(Tag.COMPRESSION, 1)
    photometric = directory.integer(Tag.PHOTOMETRIC, Photometric.BLACK_IS_ZERO)
    if compression not in (*_LOSSLESS, JPEG):
        name = _OTHERS.get(compression, f"number {compression}")
        raise NotSupportedError(f"not supported: {name} compression; {DEFLATE_IT}")
    if len(set(bits)) > 1 or len(set(formats)) > 1:
        raise NotSupportedError(
            f"not supported: bands of {', '.join(map(str, bits))} bits or of several types; choose "
            "one with gdal_translate -b 1"
        )
    sample_format = SampleFormat.UNSIGNED if formats[0] == 4 else formats[0]  # 4: not said
    _check_samples(compression, bits[0], sample_format, samples)
    _check_predictor(directory, compression, bits[0], sample_format)
    if photometric in _COLOURS or (photometric == Photometric.YCBCR and compression != JPEG):
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
        nodata=_nodata(directory, bits[0], sample_format),
        mask=mask,
    )


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


def _check_samples(compression: int, bits: int, sample_format: int, samples: int) -> None:
    if samples > 4 or samples < 1:
        raise NotSupportedError(
            f"not supported: {samples} bands; choose one with gdal_translate -b 1"
        )
    of_kind: dict[int, bool] = {
        SampleFormat.UNSIGNED: bits <= 16 or bits == 32,
        SampleFormat.SIGNED: bits in (8, 16, 32),
        SampleFormat.FLOAT: bits in (32, 64),
    }
    readable = of_kind.get(sample_format, False)
    if compression == JPEG:
        readable = bits == 8 and sample_format == SampleFormat.UNSIGNED
    if not readable:
        kind = _FORMATS.get(sample_format, "complex numbers")
        whole = sample_format in (SampleFormat.UNSIGNED, SampleFormat.SIGNED)
        to = "UInt16" if whole else "Float32"
        jpeg = " in JPEG compression" if compression == JPEG else ""
        raise NotSupportedError(
            f"not supported: {bits}-bit {kind}{jpeg}; convert it with gdal_translate -ot {to}"
        )


def _check_predictor(directory: Directory, compression: int, bits: int, sample_format: int) -> None:
    predictor = directory.integer(Tag.PREDICTOR, 1)
    if compression not in PREDICTED or predictor == 1:
        return
    if (predictor == HORIZONTAL and bits % 8 == 0) or (
        predictor == FLOATING and sample_format == SampleFormat.FLOAT
    ):
        return
    raise NotSupportedError(f"not supported: predictor {predictor} of {bits} bits; {DEFLATE_IT}")


def _nodata(directory: Directory, bits: int, sample_format: int) -> float | None:
    """GDAL_NODATA, also with a comma or as hexadecimal: of floating point the bits of a sample."""
    text = directory.text(Tag.GDAL_NODATA).replace(",", ".")
    try:
        if not text.lower().startswith("0x"):
            return float(text) if text else None
        whole = int(text, 16)
        if sample_format != SampleFormat.FLOAT:
            return float(whole)
        size = bits // 8
        form = {4: ">f", 8: ">d"}[size]
        return float(struct.unpack(form, whole.to_bytes(size, "big"))[0])
    except (ValueError, OverflowError):
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
