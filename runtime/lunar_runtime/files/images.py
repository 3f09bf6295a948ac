"""Read any grey or colour image as 8-bit grey with a validity mask, or refuse it.

The rules, all recorded in the report:
- PNG, JPEG, TIFF and binary PGM/PPM, 8 or 16 bits or floating point. What TIFFs are read, and what
  their tags mean, `tiff` says. A file that is whole, but of a kind that is not read, is "not
  supported"; "damaged" is only what is damaged. What comes out of a decoder is compared with what
  the header says; a difference is refused.
- Colour becomes luma (three equal channels stay exactly what they are).
- Pixels are invalid where alpha is 0, where an array is masked, where the value is the file's own
  for none (GDAL_NODATA, GDAL's internal mask, a grey PNG's tRNS), and where the value can only mean
  none (NaN and others; see `validity`). An image of which less than 10 % is valid is refused.
- Pixels are invalid where a mask that is given beside the image is 0, and, if wanted, where the
  image shows no ground that could be measured; see `masking`.
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
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.decode import decode_image
from lunar_runtime.files.grey_image import GreyImage as GreyImage
from lunar_runtime.files.grey_image import check_size, check_valid
from lunar_runtime.files.validity import valid_values
from lunar_runtime.masking.detect import without_ground
from lunar_runtime.masking.mask import Mask

_STRETCH_PERCENTILES = (0.1, 99.9)
_STRETCH_SAMPLES = 4_000_000
_READABLE = ("uint8", "uint16", "int16", "float32", "float64")


def read_image(
    path: Path | str, *, usable: NDArray[np.bool_] | None = None, detect: bool = False
) -> GreyImage:
    """Read an image file as 8-bit grey.

    Args:
        path: Of the file.
        usable: (h, w) bool, False where a mask beside the image says so; None = no mask.
        detect: Leave out what shows no ground that could be measured, too.

    Raises:
        InputError: Missing, not an image, not supported, damaged, truncated, smaller than 32 px a
            side, larger than 100 megapixels, or less than 10 % of it is valid.
    """
    decoded = decode_image(Path(path))
    name, samples = str(path), decoded.samples
    image = _grey(decoded.values, decoded.valid, name, samples, usable, detect=detect)
    return dataclasses.replace(image, sha256=decoded.sha256)


def grey_from_array(
    values: NDArray[np.generic],
    name: str = "array",
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
        usable: As in `read_image`.
        detect: As in `read_image`.

    Raises:
        InputError: Another shape or type, too small, too large, or less than 10 % of it is valid.
    """
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
    mask = mask.without("mask file", _unusable(name, values, usable))
    if mask.valid is not None:
        check_valid(name, mask)
        values = _with_median(values, mask.valid)
    if dtype in ("int16", "float64"):
        values = values.astype(np.float32)
    if values.ndim == 3:
        values = cv2.cvtColor(np.ascontiguousarray(values), cv2.COLOR_BGR2GRAY)
    if detect:
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
    return GreyImage(pixels, name, dtype, channels, stretch, valid=valid, masked=mask.shares)


def _unusable(
    name: str, values: NDArray[Any], usable: NDArray[np.bool_] | None
) -> NDArray[np.bool_] | None:
    if usable is None:
        return None
    if usable.shape != values.shape[:2]:
        (height, width), (rows, columns) = values.shape[:2], usable.shape
        raise InputError(
            f"{name}: {width}x{height} px, but its mask has {columns}x{rows}; give a mask of the "
            "image's own size, not 0 where the image may be used"
        )
    return np.asarray(~usable, np.bool_)


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
