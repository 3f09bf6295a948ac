"""Read any grey or colour image as 8-bit grey, or refuse it.

The rules, all recorded in the report:
- PNG, JPEG, TIFF and binary PGM/PPM, 8 or 16 bits or floating point.
- Colour becomes luma (three equal channels stay exactly what they are); alpha is ignored.
- 8-bit values are kept. 16-bit and floating-point values are stretched linearly so that the 0.1 and
  99.9 percentiles become 0 and 255: min-max, as the StereoLunar frames were made, but one hot
  pixel does not decide.
- EXIF orientation is ignored: a calibrated camera's pixels stay where its intrinsics say they are.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.image_header import read_header

MIN_SIDE_PX = 32
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30

_STRETCH_PERCENTILES = (0.1, 99.9)
_STRETCH_SAMPLES = 4_000_000
_READABLE = ("uint8", "uint16", "int16", "float32", "float64")

# What libjpeg, libpng and libtiff say of lost pixels, and nobody else: in a process of many threads
# some other line may be caught as well. Their warnings (a GeoTIFF's tags, a wrong colour profile)
# are not meant.
_COMPLAINT = re.compile(
    r"^(Corrupt JPEG|Premature end of JPEG|libpng error|\[ERROR:.* grfmt_"
    r"|OpenCV TIFF: .*(error|corrupt))",
    re.IGNORECASE,
)

# OpenCV's own: "[ERROR:0@0.226] global grfmt_tiff.cpp:117 TIFF_Error ".
_LOG_PREFIX = re.compile(r"^\[\w+:\S+\] global \S+ (?:\w+_Error )?")

_DEBUG = 5  # OpenCV's LOG_LEVEL_DEBUG, whose Python name moved
_opencv_logging: Any = getattr(cv2.utils, "logging", cv2)  # OpenCV 5, OpenCV 4

_log = logging.getLogger(__name__)
_stderr_lock = threading.Lock()


@dataclass(frozen=True)
class GreyImage:
    """An image, ready for the network's preprocessing.

    Attributes:
        pixels: (h, w) uint8.
        name: Path it was read from, or `array`.
        dtype: Of the values as given.
        channels: As given, alpha included.
        stretch: (low, high) values that became 0 and 255; None for 8-bit images.
        sha256: Of the file; None for an array.
    """

    pixels: NDArray[np.uint8]
    name: str
    dtype: str
    channels: int
    stretch: tuple[float, float] | None
    sha256: str | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


def read_image(path: Path | str) -> GreyImage:
    """Read an image file as 8-bit grey.

    Raises:
        InputError: Missing, not an image, damaged, truncated, smaller than 32 px a side, larger
            than 100 megapixels, or holding values that are not finite.
    """
    file = Path(path)
    data = _read_bytes(file)
    try:
        header = read_header(data)
    except ValueError as error:
        raise InputError(f"{file}: {error}; copy or convert it again") from error
    _check_size(str(file), header.width, header.height)
    values, complaint = _decode(data)
    if values is None or complaint:
        reason = f" ({complaint})" if complaint else ""
        raise InputError(f"{file}: damaged {header.kind}{reason}; copy or convert it again")
    image = grey_from_array(values, str(file))
    return dataclasses.replace(image, sha256=hashlib.sha256(data).hexdigest())


def grey_from_array(values: NDArray[np.generic], name: str = "array") -> GreyImage:
    """Make 8-bit grey of decoded values.

    Args:
        values: (h, w) grey, or (h, w, 1), (h, w, 3) or (h, w, 4) with channels in OpenCV's order
            (blue, green, red, alpha); uint8, uint16, int16, float32 or float64.
        name: Named in errors.

    Raises:
        InputError: Another shape or type, too small, too large, or not finite.
    """
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise InputError(f"{name}: shape {values.shape}; need a grey, colour or colour+alpha image")
    if values.dtype.name not in _READABLE:
        raise InputError(f"{name}: {values.dtype} pixels; convert it to 8 or 16 bits or float32")
    _check_size(name, values.shape[1], values.shape[0])
    channels = 1 if values.ndim == 2 else values.shape[2]
    dtype = values.dtype.name
    if dtype in ("int16", "float64"):
        values = values.astype(np.float32)
    if channels == 1:
        grey = values.reshape(values.shape[:2])
    else:
        grey = cv2.cvtColor(np.ascontiguousarray(values[..., :3]), cv2.COLOR_BGR2GRAY)
    if grey.dtype == np.uint8:
        return GreyImage(np.ascontiguousarray(grey, np.uint8), name, dtype, channels, None)
    if not np.isfinite(grey).all():
        count = int(np.count_nonzero(~np.isfinite(grey)))
        raise InputError(
            f"{name}: {count} of {grey.size} pixels are NaN or infinite; fill them first"
        )
    low, high = _stretch_range(grey)
    scaled = (grey.astype(np.float32) - low) * (255.0 / (high - low) if high > low else 0.0)
    pixels = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return GreyImage(pixels, name, dtype, channels, (low, high))


def _read_bytes(file: Path) -> bytes:
    try:
        status = file.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{file}: is a folder; give an image file")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{file}: is not a regular file; give an image file")
        if status.st_size == 0:
            raise InputError(f"{file}: is empty; copy it again")
        if status.st_size > MAX_BYTES:
            raise InputError(f"{file}: {status.st_size >> 20} MiB; crop or convert it first")
        return file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{file}: no such file; check the path") from error
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{file}: cannot be read ({reason}); check the path") from error


def _check_size(name: str, width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {width}x{height} px is too small; both sides need {MIN_SIDE_PX} px or more"
        )
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name}: {width}x{height} px is over 100 megapixels; crop or shrink it first"
        )


def _decode(data: bytes) -> tuple[NDArray[np.generic] | None, str]:
    """Decoded values, None if OpenCV gives none; and the first thing a decoder complained of."""
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    with _captured_stderr() as said:
        try:
            values = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            return None, " ".join(str(error).split())
    lines = [line.strip() for line in said if line.strip()]
    for line in lines:
        _log.debug("decoder: %s", line)
    complaints = [line for line in lines if _COMPLAINT.search(line)]
    return values, _LOG_PREFIX.sub("", complaints[0]) if complaints else ""


@contextlib.contextmanager
def _captured_stderr() -> Iterator[list[str]]:
    """Divert file descriptor 2, where libjpeg and libpng write past every logging setting.

    OpenCV 4.8 tells of a damaged TIFF at its level DEBUG and returns the rest as zeros.
    """
    said: list[str] = []
    with _stderr_lock, contextlib.ExitStack() as stack:
        try:
            saved = os.dup(2)
        except OSError:  # no stderr at all: nothing to keep quiet
            yield said
            return
        stack.callback(os.close, saved)
        try:
            spool: IO[bytes] = stack.enter_context(tempfile.TemporaryFile())
        except OSError:  # nowhere to write
            spool = stack.enter_context(Path(os.devnull).open("w+b"))
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(spool.fileno(), 2)
        log_level = _opencv_logging.getLogLevel()
        _opencv_logging.setLogLevel(_DEBUG)
        try:
            yield said
        finally:
            _opencv_logging.setLogLevel(log_level)
            os.dup2(saved, 2)
            spool.seek(0)
            said += spool.read().decode("utf-8", "replace").splitlines()


def _stretch_range(grey: NDArray[np.generic]) -> tuple[float, float]:
    step = max(1, int(np.sqrt(grey.size / _STRETCH_SAMPLES)))
    sample = grey[::step, ::step].astype(np.float64)
    low, high = np.percentile(sample, _STRETCH_PERCENTILES)
    return float(low), float(high)
