"""An image file's values, as they are, or a refusal that says what is wrong.

A file that is whole, but of a kind that is not read, is "not supported"; "damaged" is only what is
damaged. What comes out of a decoder is compared with what the header says.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.grey_image import check_size
from lunar_runtime.files.image_header import ImageHeader, read_header
from lunar_runtime.files.opencv_decoder import OpenCvDecoder
from lunar_runtime.files.regular_file import read_regular
from lunar_runtime.files.tiff.image import NotSupportedError
from lunar_runtime.files.tiff.read import read_tiff

MAX_BYTES = 1 << 30

# libjpeg's start-of-frame markers of what every build decodes: baseline, extended, progressive.
_USUAL_JPEG = (0xC0, 0xC1, 0xC2)


class Decoded(NamedTuple):
    """What a file holds.

    Attributes:
        values: (h, w) grey or (h, w, 3) colour.
        valid: (h, w) bool as far as the file says; None = all.
        samples: A pixel, as the header says.
        sha256: Of the file.
    """

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None
    samples: int
    sha256: str


def decode_image(file: Path) -> Decoded:
    """Read an image file as it is.

    Raises:
        InputError: As in `read_image`, but for what is valid.
    """
    data = read_regular(file, MAX_BYTES, "an image file", "crop or convert it first")
    if not data:
        raise InputError(f"{file}: is empty; copy it again")
    try:
        header = read_header(data)
        check_size(str(file), header.width, header.height)
        values, valid = _decode(file, data, header)
    except NotSupportedError as error:
        raise InputError(f"{file}: {error}") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{file}: {error}; copy or convert it again") from error
    return Decoded(values, valid, header.samples, hashlib.sha256(data).hexdigest())


def _decode(
    file: Path, data: bytes, header: ImageHeader
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """(h, w) or (h, w, 3) values of a file, and where they are valid as far as the file says.

    Raises:
        NotSupportedError: Whole, but nothing here reads it.
        ValueError: Damaged.
    """
    if header.kind == "PGM":
        return _pgm_values(data, header), None
    decoder = OpenCvDecoder()
    valid = None
    if header.tiff is not None:
        values, valid = read_tiff(header.tiff, decoder)
    else:
        values = decoder(data)
        if values is not None and not decoder.complaint:
            values, valid = _as_said(values, header)
    if values is None or decoder.complaint:
        if header.kind == "JPEG" and values is None and header.coding not in _USUAL_JPEG:
            raise NotSupportedError(
                f"not supported: a JPEG of coding {header.coding:#x}; convert it to PNG"
            )
        reason = f" ({decoder.complaint})" if decoder.complaint else ""
        raise ValueError(f"damaged {header.kind}{reason}")
    return values, valid


def _as_said(
    values: NDArray[Any], header: ImageHeader
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
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


def _pgm_values(data: bytes, header: ImageHeader) -> NDArray[Any]:
    """Blue, green, red of a PPM, grey of a PGM; 16 bits are big-endian there."""
    dtype = np.dtype(">u2" if header.bits == 16 else "u1")
    count = header.width * header.height * header.samples
    values: NDArray[Any] = np.frombuffer(data, dtype, count, header.pixels_at)
    values = values.astype(dtype.newbyteorder("="))
    if header.samples == 1:
        return values.reshape(header.height, header.width)
    colours: NDArray[Any] = values.reshape(header.height, header.width, 3)[..., ::-1]
    return colours
