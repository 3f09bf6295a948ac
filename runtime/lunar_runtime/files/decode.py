"""Values of an encoded image, or of a window of it, as its file means them.

What comes out of a decoder is compared with what the header says; a difference is refused. PNG and
JPEG are decoded whole, whatever is wanted of them; of TIFF and PGM only what the window needs is
read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.image_header import ImageHeader
from lunar_runtime.files.opencv_decoder import OpenCvDecoder
from lunar_runtime.files.tiff.directory import Content
from lunar_runtime.files.tiff.image import NotSupportedError
from lunar_runtime.files.tiff.read import read_tiff
from lunar_runtime.files.window import Window

Values = tuple[NDArray[Any], "NDArray[np.bool_] | None"]

#: Kinds of which a window can be read without the rest.
IN_PARTS = ("TIFF", "PGM")

# libjpeg's start-of-frame markers of what every build decodes: baseline, extended, progressive.
_USUAL_JPEG = (0xC0, 0xC1, 0xC2)


def decode_image(data: Content, header: ImageHeader, window: Window | None) -> Values:
    """(h, w) or (h, w, 3) values of a file, and where they are valid as far as the file says.

    Args:
        data: The file.
        header: Of it.
        window: What is wanted of it; None = all. It lies within the image.

    Raises:
        NotSupportedError: Whole, but nothing here reads it.
        ValueError: Damaged.
    """
    if header.kind == "PGM":
        return _pgm_values(data, header, window), None
    decoder = OpenCvDecoder()
    valid = None
    if header.tiff is not None:
        values, valid = read_tiff(header.tiff, decoder, window)
    else:
        values = decoder(data[:])
        if values is not None and not decoder.complaint:
            values, valid = _as_said(values, header)
            if window is not None:
                values, valid = window.of(values), None if valid is None else window.of(valid)
    if values is None or decoder.complaint:
        if header.kind == "JPEG" and values is None and header.coding not in _USUAL_JPEG:
            raise NotSupportedError(
                f"not supported: a JPEG of coding {header.coding:#x}; convert it to PNG"
            )
        reason = f" ({decoder.complaint})" if decoder.complaint else ""
        raise ValueError(f"damaged {header.kind}{reason}")
    return values, valid


def _as_said(values: NDArray[Any], header: ImageHeader) -> Values:
    """Decoded values, if they are of the size and type that the header names, and alpha's mask."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    dtype = "uint16" if header.bits == 16 else "uint8"
    # A palette may be grey or hold alpha, and a tRNS chunk adds it to colours.
    grey = header.photometric == "grey"
    allowed = (1,) if grey and header.samples == 1 else (2, 4) if grey else (1, 3, 4)
    size = (header.height, header.width)
    if values.shape[:2] != size or values.dtype != dtype or channels not in allowed:
        raise NotSupportedError(
            f"not supported: it was decoded as {channels} channels of {values.dtype}, "
            f"{values.shape[1]}x{values.shape[0]} px, but its header says {header.samples} of "
            f"{header.bits} bits, {header.width}x{header.height} px; convert it to TIFF"
        )
    if channels in (2, 4):
        opaque = values[..., -1] != 0
        values = values[..., : channels - 1]
        if grey:  # OpenCV makes three alike of it
            values = values[..., 0]
        return values, opaque
    if header.nodata is not None:
        return values, values != _transparent(header)
    return values, None


def _transparent(header: ImageHeader) -> int:
    """A grey PNG's tRNS value, as OpenCV shows it: spread over 8 bits."""
    assert header.nodata is not None
    value = int(header.nodata)
    return value * 255 // ((1 << header.bits) - 1) if header.bits < 8 else value


def _pgm_values(data: Content, header: ImageHeader, window: Window | None) -> NDArray[Any]:
    """Blue, green, red of a PPM, grey of a PGM; 16 bits are big-endian there.

    White is the header's largest value: 8-bit samples are spread to 255 where it is less.

    Raises:
        ValueError: A sample is larger.
    """
    dtype = np.dtype(">u2" if header.bits == 16 else "u1")
    part = window or Window(0, 0, header.width, header.height)
    row = header.width * header.samples * dtype.itemsize
    start = header.pixels_at + part.y * row
    values: NDArray[Any] = np.frombuffer(data[start : start + part.height * row], dtype)
    values = values.reshape(part.height, header.width, header.samples)
    values = values[:, part.x : part.x + part.width].astype(dtype.newbyteorder("="))
    if header.largest not in (255, 65535) and values.max() > header.largest:
        raise ValueError(f"damaged PGM (a sample of {values.max()}, above {header.largest})")
    if header.largest < 255:
        values = np.rint(values * (255 / header.largest)).astype(np.uint8)
    return values[..., 0] if header.samples == 1 else values[..., ::-1]
