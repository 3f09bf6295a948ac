"""Float rasters on disk: one channel, float32, NaN = invalid, in a TIFF that any GIS tool opens.

The file says what it holds, in tags that GDAL and all that is built on it read:

- GDAL_NODATA `nan`: else merging tools keep NaN over data.
- GDAL_METADATA: the band's unit and description; and of the image LUNAR_VERDICT, LUNAR_RUNG (how
  a deadline was met), LUNAR_VIEW, LUNAR_LANDER and LUNAR_DEFINITION (of landing hazards),
  LUNAR_CAMERA (focal lengths and principal point in pixels of the raster), LUNAR_CROP (left, top,
  width and height of what the raster shows, in pixels of the image as given) and LUNAR_SOURCE_SIZE.
- ImageDescription and Software, for everything else.

It has no georeference. The crop tells where it lies in its image, not on the Moon.

The writer is our own, because OpenCV compresses float32 from version 5 only; deflate after the
floating-point predictor halves lunar depth, without loss. The bytes are the same everywhere.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.opencv_decoder import OpenCvDecoder
from lunar_runtime.files.regular_file import open_stream
from lunar_runtime.files.tiff.encode import (
    ASCII,
    BLACK_IS_ZERO,
    DEFLATE,
    FLOATING_POINT_PREDICTOR,
    IEEE_FLOAT,
    LONG,
    SHORT,
    ascii_text,
    deflated,
    gdal_metadata,
    predicted,
)
from lunar_runtime.version import __version__

_STRIP_BYTES = 1 << 18  # readers unpack one strip at a time


@dataclass(frozen=True)
class RasterTags:
    """What a raster says of itself.

    Attributes:
        unit: `m`, `relative`, `degrees` or `1`.
        description: Of the quantity, in a few words.
        verdict: What the result rests on; None = not judged.
        view: The camera it is seen from.
        camera: (fx, fy, cx, cy) of that camera in pixels of the raster.
        crop: (left, top, width, height) of what it shows, in pixels of the image as given.
        source_size: (width, height) of the image as given.
        rung: How the pair's deadline was met, in words; None = it had none.
        lander: The vehicle that the values are of, with its limits; None = of none.
        definition: Of the quantity, with its source.
    """

    unit: str
    description: str
    verdict: str | None = None
    view: str | None = None
    camera: tuple[float, float, float, float] | None = None
    crop: tuple[int, int, int, int] | None = None
    source_size: tuple[int, int] | None = None
    rung: str | None = None
    lander: str | None = None
    definition: str | None = None

    def metadata(self) -> dict[str, str]:
        """Name and text of everything but unit and description."""
        named = {
            "LUNAR_VERDICT": self.verdict,
            "LUNAR_RUNG": self.rung,
            "LUNAR_VIEW": self.view,
            "LUNAR_LANDER": self.lander,
            "LUNAR_DEFINITION": self.definition,
            "LUNAR_CAMERA": None if self.camera is None else _numbers(self.camera),
            "LUNAR_CROP": None if self.crop is None else _numbers(self.crop),
            "LUNAR_SOURCE_SIZE": None if self.source_size is None else _numbers(self.source_size),
        }
        return {name: text for name, text in named.items() if text is not None}


def encode_raster(values: NDArray[Any], tags: RasterTags | None = None) -> bytes:
    """`values` as a single-channel float32 TIFF, compressed without loss.

    What `read_raster` gives back is bit for bit what was given, NaN included. The same values and
    tags give the same bytes.

    Args:
        values: (H, W) floating point, NaN = invalid; stored as float32.
        tags: What it says of itself; None = only that NaN is invalid.

    Raises:
        InputError: `values` is not a non-empty (H, W) floating-point array.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            "a raster is a non-empty (H, W) floating-point array, "
            f"not {values.dtype} of shape {values.shape}"
        )
    return _encode(np.ascontiguousarray(values, dtype=np.float32), _texts(tags))


def read_raster(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a raster that `encode_raster` made.

    Args:
        path: A single-channel float32 TIFF.

    Returns:
        (H, W) float32, NaN = invalid.

    Raises:
        InputError: The file is missing, damaged, or not single-channel float32.
    """
    try:
        with open_stream(path, "a TIFF") as stream:
            content = stream.read()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a TIFF") from error
    decoder = OpenCvDecoder()  # it keeps OpenCV's words on GDAL's tags from stderr
    image = decoder(content) if content else None
    if image is None or decoder.complaint:
        raise InputError(f"{path}: not a TIFF that can be decoded; write it again")
    if image.dtype != np.float32 or image.ndim != 2:
        raise InputError(
            f"{path}: expected one float32 channel, found {image.dtype} of shape {image.shape}"
        )
    return np.asarray(image, dtype=np.float32)


def _texts(tags: RasterTags | None) -> dict[int, bytes]:
    """The ASCII tags, each with its closing NUL."""
    texts = {305: f"lunar-edge {__version__}", 42113: "nan"}  # Software, GDAL_NODATA
    if tags is not None:
        parts = [tags.description, f"unit {tags.unit}", tags.verdict]
        texts[270] = "; ".join(part for part in parts if part)  # ImageDescription
        texts[42112] = gdal_metadata(tags.metadata(), tags.description, tags.unit)
    return {tag: ascii_text(text) for tag, text in texts.items()}


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.10g}" for value in values)


def _encode(values: NDArray[np.float32], texts: dict[int, bytes]) -> bytes:
    """A little-endian TIFF: header, strips, strip tables, texts, directory."""
    height, width = values.shape
    rows = max(1, min(height, _STRIP_BYTES // (4 * width)))
    rows_of_bytes = predicted(values)
    strips = [deflated(rows_of_bytes[top : top + rows].data) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    offsets = [8 + sum(sizes[:index]) for index in range(len(sizes))]
    content = b"".join(strips)
    content += b"\0" * (len(content) % 2)  # a directory starts at an even place
    tables = 8 + len(content)
    offsets_at, sizes_at = offsets[0], sizes[0]  # one strip: the value itself, not its place
    if len(strips) > 1:
        offsets_at, sizes_at = tables, tables + 4 * len(strips)
        content += struct.pack(f"<{2 * len(strips)}I", *offsets, *sizes)
    text_entries = []
    for tag, text in texts.items():
        at = 8 + len(content)
        if len(text) <= 4:  # in the entry itself
            at = int.from_bytes(text.ljust(4, b"\0"), "little")
        else:
            content += text + b"\0" * (len(text) % 2)
        text_entries.append((tag, ASCII, len(text), at))
    entries = [
        *text_entries,
        (256, LONG, 1, width),
        (257, LONG, 1, height),
        (258, SHORT, 1, 32),  # bits a sample
        (259, SHORT, 1, DEFLATE),
        (262, SHORT, 1, BLACK_IS_ZERO),
        (273, LONG, len(strips), offsets_at),
        (277, SHORT, 1, 1),  # samples a pixel
        (278, LONG, 1, rows),
        (279, LONG, len(strips), sizes_at),
        (317, SHORT, 1, FLOATING_POINT_PREDICTOR),
        (339, SHORT, 1, IEEE_FLOAT),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    directory += struct.pack("<I", 0)  # no further directory
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory
