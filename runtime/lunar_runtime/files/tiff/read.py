"""TIFF images as the file means them.

OpenCV's reader takes 16-bit planes for three small pictures, obeys the orientation, and calls
everything that it does not know damaged. So directories are read here, `image` says which files are
supported, `samples` unpacks their numbers, and what these mean is decided in this file:

- The orientation is ignored.
- WhiteIsZero is inverted at every depth; palettes become colours.
- RGB becomes colour. Several bands that the file does not call RGB are read only if they are alike.
- Alpha of 0, GDAL_NODATA in all bands, and zeros of GDAL's internal mask make a pixel invalid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.files.tiff.directory import Tag, with_directory
from lunar_runtime.files.tiff.image import (
    DEFLATE_IT,
    JPEG,
    NotSupportedError,
    Photometric,
    SampleFormat,
    TiffImage,
    describe,
)
from lunar_runtime.files.tiff.samples import Decode, read_samples
from lunar_runtime.files.window import Window

_MOST_JPEG_PIXELS = 100_000_000
_ALPHAS = (1, 2)  # premultiplied or not


def read_tiff(
    image: TiffImage, decode: Decode, window: Window | None = None
) -> tuple[NDArray[Any] | None, NDArray[np.bool_] | None]:
    """Values and validity of an image, or of a window of it.

    Args:
        image: From `find_tiff_image`.
        decode: OpenCV.
        window: What is wanted; None = all.

    Returns:
        (h, w) grey or (h, w, 3) blue, green, red, in native byte order, None if the pixels are
        damaged; and (h, w) bool, None where nothing is said to be invalid.

    Raises:
        NotSupportedError: Several bands, and no word on which is meant; or a part of strips, or of
            a JPEG, that are too large.
    """
    if image.directory.integer(Tag.COMPRESSION, 1) == JPEG:
        values = _whole(image, decode, window)
        if values is None:
            return None, None
        valid = _nodata_validity(values, image.nodata)
    else:
        samples = read_samples(image, decode, window)
        if samples is None:
            return None, None
        colours, alpha = _colours(image)
        valid = _nodata_validity(samples[..., :colours], image.nodata)
        if alpha is not None:
            valid = _both(valid, samples[..., alpha] != 0)
        values = _meaning(image, samples[..., :colours])
    if image.mask is not None:
        mask = read_samples(describe(image.mask, None), decode, window)
        if mask is None:
            return None, None
        valid = _both(valid, mask[..., 0] != 0)
    return values, valid


def _whole(image: TiffImage, decode: Decode, window: Window | None) -> NDArray[Any] | None:
    """The image decoded as it is, but for its orientation; then the window of it."""
    directory = image.directory
    if _colours(image)[1] is not None:  # OpenCV multiplies the colours by it, or leaves it out
        raise NotSupportedError(f"not supported: alpha in JPEG compression; {DEFLATE_IT}")
    if window is not None and image.width * image.height > _MOST_JPEG_PIXELS:
        raise NotSupportedError(
            f"not supported: a part of a JPEG-compressed TIFF of {image.width}x{image.height} px; "
            f"{DEFLATE_IT}"
        )
    entries = {tag: one for tag, one in directory.entries.items() if tag != Tag.ORIENTATION}
    values = decode(with_directory(directory.data, directory.layout, entries))
    if values is None:
        return None
    expected = (image.height, image.width)
    if values.dtype != np.uint8 or values.shape[:2] != expected:
        raise NotSupportedError(
            f"not supported: it was decoded as {values.dtype} {values.shape} and not as its header "
            f"says; {DEFLATE_IT}"
        )
    if window is not None:
        values = window.of(values)
    return values[..., :3] if values.ndim == 3 else values


def _colours(image: TiffImage) -> tuple[int, int | None]:
    """How many of the samples are colours, and which one is alpha, or None."""
    colours = 3 if image.photometric == Photometric.RGB else 1
    if image.samples < colours:
        raise NotSupportedError(f"not supported: RGB of {image.samples} bands; write it again")
    extras = image.directory.integers(Tag.EXTRA_SAMPLES)
    alphas = [
        i
        for i, kind in enumerate(extras, image.samples - len(extras))
        if kind in _ALPHAS and i >= colours
    ]
    if not extras and colours == 3 and image.samples == 4:
        alphas = [3]  # OpenCV and others write no word about it
    alpha = alphas[0] if alphas else None
    if colours == 1:
        colours = image.samples if alpha is None else alpha
    return colours, alpha


def _meaning(image: TiffImage, values: NDArray[Any]) -> NDArray[Any]:
    """Grey (h, w), or blue, green, red (h, w, 3), in which more is brighter."""
    if image.photometric == Photometric.RGB:
        return np.ascontiguousarray(values[..., ::-1])
    bands = values.shape[2]
    if any(not np.array_equal(values[..., 0], values[..., i]) for i in range(1, bands)):
        raise NotSupportedError(
            f"not supported: {bands} different bands that the file does not call RGB; choose one "
            "with gdal_translate -b 1"
        )
    grey = np.ascontiguousarray(values[..., 0])
    if image.photometric == Photometric.PALETTE:
        table = np.array(image.directory.integers(Tag.COLOUR_MAP), np.uint16)
        if table.size != 3 << image.bits:
            raise NotSupportedError("not supported: a palette without its colours")
        table = (table >> 8 if table.max() > 255 else table).astype(np.uint8)
        return np.ascontiguousarray(table.reshape(3, -1)[::-1, grey].transpose(1, 2, 0))
    if image.bits < 8:  # as libtiff shows them: the whole range of 8 bits
        grey = (grey.astype(np.uint16) * 255 // ((1 << image.bits) - 1)).astype(np.uint8)
    if image.photometric != Photometric.WHITE_IS_ZERO:
        return grey
    if image.sample_format == SampleFormat.UNSIGNED:
        largest = (1 << max(8, image.bits)) - 1
        return np.asarray(largest - grey, grey.dtype)
    return np.asarray(~grey if image.sample_format == SampleFormat.SIGNED else -grey)


def _nodata_validity(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_] | None:
    """Where not all bands have the value that means none."""
    if nodata is None or not np.isfinite(nodata):  # what is not finite is invalid always
        return None
    if values.dtype.kind == "f":
        constant = values.dtype.type(np.clip(nodata, *_limits(values.dtype)))
        invalid = values == constant
    else:
        limits = np.iinfo(values.dtype)
        if nodata != int(nodata) or not limits.min <= nodata <= limits.max:
            return None
        invalid = values == values.dtype.type(int(nodata))
    return np.asarray(~(invalid.all(axis=2) if values.ndim == 3 else invalid))


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    limits = np.finfo(dtype)
    return float(limits.min), float(limits.max)


def _both(first: NDArray[np.bool_] | None, second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return second if first is None else first & second
