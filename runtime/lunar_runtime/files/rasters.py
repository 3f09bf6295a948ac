"""Float rasters on disk: one channel, float32, NaN = invalid, in a TIFF that any GIS tool opens.

The writer is our own, because OpenCV compresses float32 from version 5 only; deflate after the
floating-point predictor halves lunar depth, without loss. The bytes are the same everywhere.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic import atomic_path

_STRIP_BYTES = 1 << 18  # readers unpack one strip at a time

# Numbers of the TIFF 6.0 specification and its Technical Note 3 (predictor)
_SHORT, _LONG = 3, 4
_DEFLATE = 8
_BLACK_IS_ZERO = 1
_FLOATING_POINT_PREDICTOR = 3
_IEEE_FLOAT = 3


def write_raster(path: str | os.PathLike[str], values: NDArray[Any]) -> None:
    """Write `values` as a single-channel float32 TIFF, compressed without loss.

    What `read_raster` gives back is bit for bit what was given, NaN included.

    Args:
        path: The file; replaced whole if it exists. Its folder must exist.
        values: (H, W) floating point, NaN = invalid; stored as float32.

    Raises:
        InputError: `values` is not a non-empty (H, W) floating-point array.
        OutputError: The file cannot be written.
    """
    values = np.asarray(values)
    if values.ndim != 2 or values.size == 0 or not np.issubdtype(values.dtype, np.floating):
        raise InputError(
            f"{path}: a raster is a non-empty (H, W) floating-point array, "
            f"not {values.dtype} of shape {values.shape}"
        )
    encoded = _encode(np.ascontiguousarray(values, dtype=np.float32))
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded)


def read_raster(path: str | os.PathLike[str]) -> NDArray[np.float32]:
    """Read a raster as `write_raster` left it.

    Args:
        path: A single-channel float32 TIFF.

    Returns:
        (H, W) float32, NaN = invalid.

    Raises:
        InputError: The file is missing, damaged, or not single-channel float32.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: cannot be read ({reason}); give the path of a TIFF") from error
    image = None
    if content:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error:
            image = None
    if image is None:
        raise InputError(f"{path}: not a TIFF that can be decoded; write it again")
    if image.dtype != np.float32 or image.ndim != 2:
        raise InputError(
            f"{path}: expected one float32 channel, found {image.dtype} of shape {image.shape}"
        )
    return np.asarray(image, dtype=np.float32)


def _encode(values: NDArray[np.float32]) -> bytes:
    """A little-endian TIFF: header, strips, strip tables, directory."""
    height, width = values.shape
    rows = max(1, min(height, _STRIP_BYTES // (4 * width)))
    predicted = _predict(values)
    strips = [
        zlib.compress(predicted[top : top + rows].tobytes()) for top in range(0, height, rows)
    ]
    sizes = [len(strip) for strip in strips]
    offsets = [8 + sum(sizes[:index]) for index in range(len(sizes))]
    content = b"".join(strips)
    content += b"\0" * (len(content) % 2)  # a directory starts at an even place
    tables = 8 + len(content)
    offsets_at, sizes_at = offsets[0], sizes[0]  # one strip: the value itself, not its place
    if len(strips) > 1:
        offsets_at, sizes_at = tables, tables + 4 * len(strips)
        content += struct.pack(f"<{2 * len(strips)}I", *offsets, *sizes)
    entries = [
        (256, _LONG, 1, width),
        (257, _LONG, 1, height),
        (258, _SHORT, 1, 32),  # bits a sample
        (259, _SHORT, 1, _DEFLATE),
        (262, _SHORT, 1, _BLACK_IS_ZERO),
        (273, _LONG, len(strips), offsets_at),
        (277, _SHORT, 1, 1),  # samples a pixel
        (278, _LONG, 1, rows),
        (279, _LONG, len(strips), sizes_at),
        (317, _SHORT, 1, _FLOATING_POINT_PREDICTOR),
        (339, _SHORT, 1, _IEEE_FLOAT),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory += struct.pack("<I", 0)  # no further directory
    return b"II*\0" + struct.pack("<I", 8 + len(content)) + content + directory


def _predict(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Rows of float32 as rows of byte differences, most significant bytes first."""
    height, width = values.shape
    big_endian = values.view(np.uint32).astype(">u4").view(np.uint8).reshape(height, width, 4)
    planes = big_endian.transpose(0, 2, 1).reshape(height, 4 * width)
    predicted: NDArray[np.uint8] = planes.copy()
    predicted[:, 1:] -= planes[:, :-1]  # modulo 256
    return predicted
