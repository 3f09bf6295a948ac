"""What kind of image a file is, how large it says it is, and whether all of it is there.

Read before any decoder runs: a header of 40 bytes can ask a decoder for 40 GB, and decoders fill
the missing half of a truncated file with grey instead of complaining.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from lunar_runtime.files.tiff.directory import Content
from lunar_runtime.files.tiff.image import NotSupportedError, TiffImage, find_tiff_image

# A marker inside JPEG's entropy-coded data: 0xFF not followed by a stuffed zero, a restart marker
# (D0-D7) or a fill byte.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# C4, C8 and CC in their midst are tables and an extension.
_JPEG_START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Samples and meaning by a PNG's colour type.
_PNG_COLOURS = {
    0: (1, "grey"),
    2: (3, "rgb"),
    3: (1, "palette"),
    4: (2, "grey"),
    6: (4, "rgb"),
}
_TIFF_FORMATS = {1: "unsigned", 2: "signed", 3: "float"}
_TIFF_PHOTOMETRICS = {0: "white is zero", 2: "rgb", 3: "palette", 6: "ycbcr"}

#: Of a PGM's header, comments included. Others end after 20 bytes.
_PGM_HEADER_BYTES = 1 << 16


class ImageHeader(NamedTuple):
    """What a file says of its image.

    Attributes:
        kind: `PNG`, `JPEG`, `TIFF` or `PGM`.
        width: Columns.
        height: Rows.
        bits: Of a sample.
        samples: A pixel's, alpha included; 1 for a palette.
        sample_format: `unsigned`, `signed` or `float`.
        photometric: `grey`, `white is zero`, `rgb`, `palette` or `ycbcr`.
        planar: Whether the samples lie in planes of their own.
        orientation: TIFF's tag, 1 to 8; 1 where there is none. Not obeyed.
        nodata: The value that means none: GDAL_NODATA, or a grey PNG's tRNS; None where not said.
        pixels_at: Place of the first sample of a PGM; 0 for the others.
        largest: That a PGM's samples may be; 0 for the others.
        coding: Of a JPEG, its start-of-frame marker; 0 for the others.
        tiff: The image of a TIFF; None for the others.
    """

    kind: str
    width: int
    height: int
    bits: int
    samples: int
    sample_format: str = "unsigned"
    photometric: str = "grey"
    planar: bool = False
    orientation: int = 1
    nodata: float | None = None
    pixels_at: int = 0
    largest: int = 0
    coding: int = 0
    tiff: TiffImage | None = None


def read_header(data: Content) -> ImageHeader:
    """What an encoded image says of itself, if it is all there.

    Args:
        data: The file. Of a PNG or JPEG all is looked at, of the others what describes the image.

    Raises:
        NotSupportedError: Whole, but of a kind that nothing here reads; the text says how to
            convert it.
        ValueError: Not one of the four kinds, or truncated or damaged; the text says which.
    """
    start = data[:8]
    if start == b"\x89PNG\r\n\x1a\n":
        return _png(data[:])
    if start.startswith(b"\xff\xd8"):
        return _jpeg(data[:])
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff(data)
    if start[:2] in (b"P5", b"P6"):
        return _pgm(data)
    raise ValueError("not a PNG, JPEG, TIFF or PGM image")


def _png(data: bytes) -> ImageHeader:
    header: ImageHeader | None = None
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
        if name == b"IHDR" and length >= 10:
            width, height, bits, colour = struct.unpack_from(">IIBB", data, at + 8)
            if colour not in _PNG_COLOURS:
                raise ValueError(f"damaged PNG (colour type {colour})")
            samples, photometric = _PNG_COLOURS[colour]
            header = ImageHeader("PNG", width, height, bits, samples, photometric=photometric)
        if name == b"tRNS" and header and header.photometric == "grey" and length == 2:
            header = header._replace(nodata=float(struct.unpack_from(">H", data, at + 8)[0]))
        if name == b"IEND" and header:
            return header
        at += 12 + length
    raise ValueError("truncated PNG")


def _jpeg(data: bytes) -> ImageHeader:
    header: ImageHeader | None = None
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
        if marker in _JPEG_START_OF_FRAME and at + 10 <= len(data):
            bits, height, width, samples = struct.unpack_from(">BHHB", data, at + 4)
            photometric = "grey" if samples == 1 else "ycbcr"
            header = ImageHeader(
                "JPEG", width, height, bits, samples, photometric=photometric, coding=marker
            )
        at += 2 + length
        if marker == 0xDA:  # entropy-coded data follow, up to the next marker
            found = _JPEG_MARKER.search(data, at)
            if found is None:
                raise ValueError("truncated JPEG")
            at = found.start()
    if header is None or data[at : at + 2] != b"\xff\xd9":
        raise ValueError("truncated JPEG")
    if header.bits != 8:
        raise NotSupportedError(
            f"not supported: a JPEG of {header.bits} bits; convert it to PNG or TIFF of 16"
        )
    return header


def _tiff(data: Content) -> ImageHeader:
    image = find_tiff_image(data)
    return ImageHeader(
        "TIFF",
        image.width,
        image.height,
        image.bits,
        image.samples,
        sample_format=_TIFF_FORMATS[image.sample_format],
        photometric=_TIFF_PHOTOMETRICS.get(image.photometric, "grey"),
        planar=image.planar,
        orientation=image.orientation,
        nodata=image.nodata,
        tiff=image,
    )


def _pgm(data: Content) -> ImageHeader:
    """Three numbers between white space and comments; one white space ends the last."""
    numbers: list[int] = []
    head = data[: _PGM_HEADER_BYTES + 1]
    at, end = 2, min(len(head), _PGM_HEADER_BYTES)
    while at < end and len(numbers) < 3:
        if head[at : at + 1] == b"#":  # to the end of its line
            line_end = head.find(b"\n", at, end)
            at = end if line_end < 0 else line_end
        elif head[at : at + 1].isspace():
            at += 1
        else:
            start = at
            while at < end and head[at : at + 1].isdigit():
                at += 1
            if not 0 < at - start <= 10:
                break
            numbers.append(int(head[start:at]))
    apart = not head[2:3].isdigit() and head[at : at + 1].isspace()
    if len(numbers) < 3 or not apart or not 0 < numbers[2] < 65536:
        raise ValueError("damaged PGM header")
    width, height, largest = numbers
    samples = 3 if head[:2] == b"P6" else 1
    bits = 16 if largest > 255 else 8
    if at + 1 + width * height * samples * bits // 8 > len(data):
        raise ValueError("truncated PGM")
    photometric = "rgb" if samples == 3 else "grey"
    return ImageHeader(
        "PGM",
        width,
        height,
        bits,
        samples,
        photometric=photometric,
        pixels_at=at + 1,
        largest=largest,
    )
