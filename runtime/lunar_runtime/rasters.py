"""Float rasters on disk: one channel, float32, NaN = invalid, in a TIFF any GIS tool opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .atomic import atomic_path
from .errors import InputError, OutputError

_DEFLATE = 8  # libtiff's COMPRESSION_ADOBE_DEFLATE; lossless, and smaller than LZW on float32


def write_raster(path: str | os.PathLike[str], values: NDArray[Any]) -> None:
    """Write `values` as a deflate-compressed, single-channel float32 TIFF.

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
    image = np.ascontiguousarray(values, dtype=np.float32)
    try:
        done, encoded = cv2.imencode(".tif", image, [cv2.IMWRITE_TIFF_COMPRESSION, _DEFLATE])
    except cv2.error as error:
        raise OutputError(f"{path}: OpenCV cannot encode a float32 TIFF: {error.err}") from error
    if not done:
        raise OutputError(f"{path}: OpenCV cannot encode a float32 TIFF; install a build with TIFF")
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


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
