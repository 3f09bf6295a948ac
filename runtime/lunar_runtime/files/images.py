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
- Pixels are invalid where a mask that is given beside the image is 0, and, if wanted, where the
  image shows no ground that could be measured; see `masking`.
- 8-bit values are kept. 16-bit and floating-point values are stretched linearly so that the least
  and the largest become 0 and 255: min-max, as the StereoLunar frames were made. A hot pixel does
  not decide: values far beyond the 0.1 and 99.9 percentiles are clipped. Invalid pixels are left
  out before. They become the median grey of the valid ones.
- Where the validity is detected, hot and dead pixels become the median of those around them; see
  `masking.defects`.
- Orientation, EXIF's and TIFF's, is ignored: a calibrated camera's pixels stay where its intrinsics
  say they are.
- Arrays may have either byte order.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.decode_file import decode_file
from lunar_runtime.files.grey_image import GreyImage as GreyImage
from lunar_runtime.files.grey_image import check_size, check_valid
from lunar_runtime.files.validity import valid_values
from lunar_runtime.files.window import Window
from lunar_runtime.masking.defects import around, defects
from lunar_runtime.masking.detect import without_ground
from lunar_runtime.masking.mask import Mask
from lunar_runtime.masking.specks import fill_specks

_STRETCH_PERCENTILES = (0.1, 99.9)
# Shares of the span between the percentiles. The steepest slopes are the brightest and the darkest
# ground: clipped at the percentiles, a pair missed 14 points more of its hazards.
_STRETCH_BEYOND = 0.5
_STRETCH_SAMPLES = 4_000_000
_READABLE = ("uint8", "uint16", "int16", "float32", "float64")


def read_image(
    path: Path | str,
    window: Window | None = None,
    *,
    usable: NDArray[np.bool_] | None = None,
    detect: bool = False,
) -> GreyImage:
    """Read an image file, or a part of it, as 8-bit grey.

    Args:
        path: The file.
        window: The part that is wanted; stretch and validity are of that part alone. None = all.
        usable: (h, w) bool of the whole image, False where a mask beside it says so; None = no
            mask.
        detect: Leave out what shows no ground that could be measured, too.

    The limits on the size are those of the window in a TIFF or PGM, else of the whole image. Of a
    TIFF or PGM over 64 MiB only what the window needs is read.

    Raises:
        InputError: Missing, not an image, not supported, damaged, truncated, smaller than 32 px a
            side, larger than 100 megapixels, or less than 10 % of it is valid; or the window leaves
            it.
    """
    decoded = decode_file(Path(path), window)
    usable = _windowed(str(path), usable, decoded.whole, window)
    image = _grey(decoded.values, decoded.valid, str(path), decoded.samples, usable, detect=detect)
    image = _placed(image, window, decoded.whole)
    return dataclasses.replace(image, sha256=decoded.sha256, notes=decoded.notes)


def grey_from_array(
    values: NDArray[np.generic],
    name: str = "array",
    window: Window | None = None,
    *,
    usable: NDArray[np.bool_] | None = None,
    detect: bool = False,
) -> GreyImage:
    """Make 8-bit grey of decoded values.

    Args:
        values: (h, w) grey, or (h, w, 1), (h, w, 3) or (h, w, 4) with channels in OpenCV's order
            (blue, green, red, alpha); uint8, uint16, int16, float32 or float64, of either byte
            order. Pixels with a masked channel (`np.ma`) or with alpha 0 are invalid.
        name: Named in errors.
        window: The part that is wanted, as in `read_image`.
        usable: As in `read_image`.
        detect: As in `read_image`.

    Raises:
        InputError: Another shape or type, too small, too large, or less than 10 % of it is valid;
            or the window leaves it.
    """
    if values.ndim > 1:
        whole = (values.shape[1], values.shape[0])
        usable = _windowed(name, usable, whole, window)
        if window is not None:
            window.check_inside(name, *whole)
            part = grey_from_array(window.of(values), name, usable=usable, detect=detect)
            return _placed(part, window, whole)
    native = np.asarray(values).astype(values.dtype.newbyteorder("="), copy=False)
    if native.ndim not in (2, 3) or (native.ndim == 3 and native.shape[2] not in (1, 3, 4)):
        raise InputError(f"{name}: shape {native.shape}; need a grey, colour or colour+alpha image")
    channels = 1 if native.ndim == 2 else native.shape[2]
    valid: NDArray[np.bool_] | None = None
    # `np.ma` takes 10 ms to import. Who made a masked array has imported it.
    mask = getattr(values, "mask", None)
    if mask is not None and np.any(mask):
        mask = np.broadcast_to(mask, native.shape)
        valid = np.asarray(~(mask if mask.ndim == 2 else mask.any(axis=2)))
    if channels == 4:
        opaque = np.asarray(native[..., 3] != 0)
        valid = opaque if valid is None else valid & opaque
    colours = native.reshape(native.shape[:2]) if channels == 1 else native[..., :3]
    return _grey(colours, valid, name, channels, usable, detect=detect)


def _grey(
    values: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    name: str,
    channels: int,
    usable: NDArray[np.bool_] | None,
    *,
    detect: bool,
) -> GreyImage:
    """Grey of (h, w) or (h, w, 3) values; `valid` is what is known of them so far."""
    dtype = values.dtype.name
    if dtype not in _READABLE:
        raise InputError(f"{name}: {dtype} pixels; convert it to 8 or 16 bits or float32")
    check_size(name, values.shape[1], values.shape[0])
    possible = valid_values(values if valid is None else _with_median(values, valid))
    if possible is not None:
        valid = possible if valid is None else valid & possible
    mask = Mask().without("file", None if valid is None else ~valid)
    mask = mask.without("mask file", None if usable is None else ~usable)
    if mask.valid is not None:
        check_valid(name, mask)
        values = _with_median(values, mask.valid)
    if dtype in ("int16", "float64"):
        values = values.astype(np.float32)
    if values.ndim == 3:
        values = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_BGR2GRAY)
    repaired = 0.0
    if detect:
        found = defects(values, mask.valid)
        if found is not None:
            values = np.where(found, around(values), values)
            repaired = float(found.mean())
        mask = without_ground(values, mask)
        if mask.valid is not None:
            check_valid(name, mask)
    valid = mask.valid
    if dtype == "uint8":
        pixels, stretch = np.array(values, np.uint8, order="C"), None
    else:
        pixels, stretch = _stretched(values, valid)
    if valid is not None:
        pixels[~valid] = round(float(np.median(pixels[valid])))
        fill_specks(pixels, valid)
    return GreyImage(
        pixels,
        name,
        dtype,
        channels,
        stretch,
        valid=valid,
        masked=mask.shares,
        repaired=repaired,
    )


def _placed(image: GreyImage, window: Window | None, whole: tuple[int, int]) -> GreyImage:
    return dataclasses.replace(image, window=window, whole=whole) if window else image


def _windowed(
    name: str,
    usable: NDArray[np.bool_] | None,
    whole: tuple[int, int],
    window: Window | None,
) -> NDArray[np.bool_] | None:
    """The part of a whole image's mask that belongs to its window.

    Raises:
        InputError: It is not of the image's size.
    """
    if usable is None:
        return None
    if usable.shape[::-1] != whole:
        rows, columns = usable.shape
        raise InputError(
            f"{name}: {whole[0]}x{whole[1]} px, but its mask has {columns}x{rows}; give a mask of "
            "the image's own size, not 0 where the image may be used"
        )
    return usable if window is None else np.asarray(window.of(usable), np.bool_)


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
    sample = sample.astype(np.float64)
    low, high = (float(v) for v in np.percentile(sample, _STRETCH_PERCENTILES))
    beyond = _STRETCH_BEYOND * (high - low)
    near = sample[(sample >= low - beyond) & (sample <= high + beyond)]
    low, high = float(near.min()), float(near.max())
    with np.errstate(over="ignore"):  # beyond the stretch anyway
        scaled = (values.astype(np.float32) - low) * (255.0 / (high - low) if high > low else 0.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8), (low, high)
