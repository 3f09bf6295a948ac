"""Read any grey or colour image as 8-bit grey with a validity mask, or refuse it.

The rules, all recorded in the report:
- PNG, JPEG, TIFF and binary PGM/PPM, 8 or 16 bits or floating point; and what other packages
  read, see `image_readers`. What TIFFs are read, and what their tags mean, `tiff` says. A file that
  is whole, but of a kind that is not read, is "not supported"; "damaged" is only what is damaged.
  What comes out of a decoder is compared with what the header says; a difference is refused.
- Colour becomes luma (three equal channels stay exactly what they are).
- Pixels are invalid where alpha is 0, where an array is masked, where the value is the file's own
  for none (GDAL_NODATA, GDAL's internal mask, a grey PNG's tRNS), and where the value can only mean
  none (NaN and others; see `validity`). An image of which less than 10 % is valid is refused.
- 8-bit values are kept. 16-bit and floating-point values are stretched linearly so that the 0.1 and
  99.9 percentiles become 0 and 255: min-max, as the StereoLunar frames were made, but one hot
  pixel does not decide. Invalid pixels are left out before. They become the median grey of the
  valid ones.
- Orientation, EXIF's and TIFF's, is ignored: a calibrated camera's pixels stay where its intrinsics
  say they are.
- Arrays may have either byte order.
"""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.decode import IN_PARTS, decode_image
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.image_readers import ImageSource, digest, open_source
from lunar_runtime.files.regular_file import FileSlices, check_bytes, open_regular
from lunar_runtime.files.tiff.directory import Content
from lunar_runtime.files.tiff.image import NotSupportedError
from lunar_runtime.files.validity import valid_values
from lunar_runtime.files.window import Window

MIN_SIDE_PX = 32
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30
MIN_VALID_FRACTION = 0.1

_STRETCH_PERCENTILES = (0.1, 99.9)
_STRETCH_SAMPLES = 4_000_000
_READABLE = ("uint8", "uint16", "int16", "float32", "float64")
# A file up to this is read whole, also for a window: once through costs less than many places.
_SMALL_BYTES = 1 << 26


@dataclass(frozen=True)
class GreyImage:
    """An image, ready for the network's preprocessing.

    Attributes:
        pixels: (h, w) uint8.
        name: Path it was read from, or `array`.
        dtype: Of the values as given.
        channels: As given, alpha included.
        stretch: (low, high) values that became 0 and 255; None for 8-bit images.
        sha256: Of the file, or of a label's file and its pixels' one after the other; None for an
            array, and where only parts of the file were read.
        valid: (h, w) bool, False where a pixel is no measurement; None = all are. Invalid pixels
            have the median grey of the valid ones.
        window: Where the pixels lie in the image as given; None = they are all of it.
        whole: Width and height of the image as given; None = as `size`.
        notes: What its file says that a user should know; each begins with a verb.
    """

    pixels: NDArray[np.uint8]
    name: str
    dtype: str
    channels: int
    stretch: tuple[float, float] | None
    sha256: str | None = None
    valid: NDArray[np.bool_] | None = None
    window: Window | None = None
    whole: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def source_size(self) -> tuple[int, int]:
        """Width and height of the image as given."""
        return self.size if self.whole is None else self.whole

    @property
    def shown(self) -> Window:
        """Where the pixels lie in the image as given."""
        return Window(0, 0, *self.size) if self.window is None else self.window

    @property
    def valid_fraction(self) -> float:
        """Share of the pixels that are measurements."""
        return 1.0 if self.valid is None else float(self.valid.mean())


def read_image(path: Path | str, window: Window | None = None) -> GreyImage:
    """Read an image file, or a part of it, as 8-bit grey.

    Args:
        path: The file.
        window: The part that is wanted; stretch and validity are of that part alone. None = all.

    The limits on the size are those of the window in a TIFF or PGM, else of the whole image. Of a
    TIFF or PGM over 64 MiB only what the window needs is read.

    Raises:
        InputError: Missing, not an image, not supported, damaged, truncated, smaller than 32 px a
            side, larger than 100 megapixels, or less than 10 % of it is valid; or the window leaves
            it.
    """
    file = Path(path)
    source = open_source(file)
    if source is not None:
        return _read_source(source, str(file), window)
    with open_regular(file, "an image file") as content:
        return _read(file, content, window)


def _read_source(source: ImageSource, name: str, window: Window | None) -> GreyImage:
    part = window or Window(0, 0, *source.size)
    part.check_inside(name, *source.size)
    _check_size(name, part.width, part.height, "choose a part with `window`")
    values, valid = source.read(part)
    image = _placed(_grey(values, valid, name, 1), window, source.size)
    sha256 = None if window else digest(source, MAX_BYTES)
    return dataclasses.replace(image, sha256=sha256, notes=source.notes)


def _read(file: Path, content: FileSlices, window: Window | None) -> GreyImage:
    data, digest = _data(file, content, window)
    try:
        header = read_header(data)
        whole = (header.width, header.height)
        if window is not None:
            window.check_inside(str(file), *whole)
        in_parts = header.kind in IN_PARTS
        if window is None or not in_parts:
            instead = "choose a part with `window`" if in_parts else "crop or shrink it first"
            _check_size(str(file), *whole, instead)
        if window is not None:
            _check_size(f"{file}: window {window}", window.width, window.height)
        values, valid = decode_image(data, header, window)
    except NotSupportedError as error:
        raise InputError(f"{file}: {error}") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{file}: {error}; copy or convert it again") from error
    image = _placed(_grey(values, valid, str(file), header.samples), window, whole)
    return dataclasses.replace(image, sha256=digest)


def _data(file: Path, content: FileSlices, window: Window | None) -> tuple[Content, str | None]:
    """A file's bytes, all in memory where they must or may be, and then their SHA-256."""
    starts = (b"II", b"MM", b"P5", b"P6")
    if window is not None and len(content) > _SMALL_BYTES and content[:2] in starts:
        return content, None
    check_bytes(file, content, MAX_BYTES, "crop or convert it first")
    data = content.whole(MAX_BYTES)
    if not data:
        raise InputError(f"{file}: is empty; copy it again")
    return data, hashlib.sha256(data).hexdigest()


def grey_from_array(
    values: NDArray[np.generic], name: str = "array", window: Window | None = None
) -> GreyImage:
    """Make 8-bit grey of decoded values.

    Args:
        values: (h, w) grey, or (h, w, 1), (h, w, 3) or (h, w, 4) with channels in OpenCV's order
            (blue, green, red, alpha); uint8, uint16, int16, float32 or float64, of either byte
            order. Pixels with a masked channel (`np.ma`) or with alpha 0 are invalid.
        name: Named in errors.
        window: The part that is wanted, as in `read_image`.

    Raises:
        InputError: Another shape or type, too small, too large, or less than 10 % of it is valid;
            or the window leaves it.
    """
    if window is not None and values.ndim > 1:
        whole = (values.shape[1], values.shape[0])
        window.check_inside(name, *whole)
        return _placed(grey_from_array(window.of(values), name), window, whole)
    native = np.asarray(np.ma.getdata(values)).astype(values.dtype.newbyteorder("="), copy=False)
    if native.ndim not in (2, 3) or (native.ndim == 3 and native.shape[2] not in (1, 3, 4)):
        raise InputError(f"{name}: shape {native.shape}; need a grey, colour or colour+alpha image")
    channels = 1 if native.ndim == 2 else native.shape[2]
    valid: NDArray[np.bool_] | None = None
    if np.ma.is_masked(values):
        mask = np.ma.getmaskarray(values)
        valid = np.asarray(~(mask if mask.ndim == 2 else mask.any(axis=2)))
    if channels == 4:
        opaque = np.asarray(native[..., 3] != 0)
        valid = opaque if valid is None else valid & opaque
    colours = native.reshape(native.shape[:2]) if channels == 1 else native[..., :3]
    return _grey(colours, valid, name, channels)


def _grey(
    values: NDArray[Any], valid: NDArray[np.bool_] | None, name: str, channels: int
) -> GreyImage:
    """Grey of (h, w) or (h, w, 3) values; `valid` is what is known of them so far."""
    dtype = values.dtype.name
    if dtype not in _READABLE:
        raise InputError(f"{name}: {dtype} pixels; convert it to 8 or 16 bits or float32")
    _check_size(name, values.shape[1], values.shape[0])
    possible = valid_values(values if valid is None else _with_median(values, valid))
    if possible is not None:
        valid = possible if valid is None else valid & possible
    valid = None if valid is None or valid.all() else valid
    if valid is not None:
        _check_valid(name, valid)
        values = _with_median(values, valid)
    if dtype in ("int16", "float64"):
        values = values.astype(np.float32)
    if values.ndim == 3:
        values = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_BGR2GRAY)
    if dtype == "uint8":
        pixels, stretch = np.array(values, np.uint8, order="C"), None
    else:
        pixels, stretch = _stretched(values, valid)
    if valid is not None:
        pixels[~valid] = round(float(np.median(pixels[valid])))
    return GreyImage(pixels, name, dtype, channels, stretch, valid=valid)


def _placed(image: GreyImage, window: Window | None, whole: tuple[int, int]) -> GreyImage:
    return dataclasses.replace(image, window=window, whole=whole) if window else image


def _check_size(
    name: str, width: int, height: int, instead: str = "crop or shrink it first"
) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise InputError(
            f"{name}: {width}x{height} px is too small; both sides need {MIN_SIDE_PX} px or more"
        )
    if width * height > MAX_PIXELS:
        raise InputError(f"{name}: {width}x{height} px is over 100 megapixels; {instead}")


def _check_valid(name: str, valid: NDArray[np.bool_]) -> None:
    fraction = float(valid.mean())
    if fraction < MIN_VALID_FRACTION:
        raise InputError(
            f"{name}: only {fraction:.1%} of the pixels are valid (the others are NaN, nodata, "
            f"masked or transparent), and {MIN_VALID_FRACTION:.0%} are needed; crop the image to "
            "what it shows"
        )


def _with_median(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """A copy in which invalid pixels have the median of the valid ones, of each channel."""
    filled: NDArray[Any] = values.copy()
    if valid.any():
        step = max(1, values.size // _STRETCH_SAMPLES)
        filled[~valid] = np.median(values[valid][::step], axis=0).astype(values.dtype)
    return filled


def _stretched(
    values: NDArray[Any], valid: NDArray[np.bool_] | None
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """(h, w) uint8, and the values that became 0 and 255."""
    step = max(1, int(np.sqrt(values.size / _STRETCH_SAMPLES)))
    sample = values[::step, ::step]
    if valid is not None:
        sample = sample[valid[::step, ::step]]
        sample = sample if sample.size else values[valid]
    low, high = (float(v) for v in np.percentile(sample.astype(np.float64), _STRETCH_PERCENTILES))
    with np.errstate(over="ignore"):  # beyond the stretch anyway
        scaled = (values.astype(np.float32) - low) * (255.0 / (high - low) if high > low else 0.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8), (low, high)
