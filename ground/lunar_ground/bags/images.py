"""Images in messages of ROS 2: `sensor_msgs/msg/Image` and `CompressedImage`.

Rows may be longer than their pixels (`step`), values big-endian, and of 16 bits: all of it counts.
Values are not scaled.
"""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.opencv_decoder import OpenCvDecoder
from numpy.typing import NDArray

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_MOST_PX = 1 << 27
# Encoding -> type of a value, channels, order of the channels as blue, green, red.
_PLAIN: dict[str, tuple[str, int, tuple[int, ...]]] = {
    "mono8": ("u1", 1, ()), "8UC1": ("u1", 1, ()),
    "mono16": ("u2", 1, ()), "16UC1": ("u2", 1, ()), "32FC1": ("f4", 1, ()),
    "bgr8": ("u1", 3, (0, 1, 2)), "8UC3": ("u1", 3, (0, 1, 2)), "rgb8": ("u1", 3, (2, 1, 0)),
    "bgra8": ("u1", 4, (0, 1, 2)), "rgba8": ("u1", 4, (2, 1, 0)),
    "bgr16": ("u2", 3, (0, 1, 2)), "rgb16": ("u2", 3, (2, 1, 0)),
}  # fmt: skip
# ROS names a mosaic by its first two pixels, OpenCV by those of the second row and column.
_MOSAICS = {
    "rggb": cv2.COLOR_BayerBG2GRAY,
    "bggr": cv2.COLOR_BayerRG2GRAY,
    "gbrg": cv2.COLOR_BayerGR2GRAY,
    "grbg": cv2.COLOR_BayerGB2GRAY,
}
_MOSAIC = re.compile(r"bayer_(rggb|bggr|gbrg|grbg)(8|16)")
_DEPTH_HEADER = 12  # bytes before the PNG of compressed_depth_image_transport


def image_of(message: Any, kind: str) -> NDArray[Any]:
    """(H, W) or (H, W, 3) values of a message, blue first, in this machine's byte order.

    Args:
        message: Its fields as attributes.
        kind: Its type.

    Raises:
        InputError: It is no image, in an encoding that is not read, or does not hold what it says.
    """
    if kind == IMAGE:
        return _plain(message)
    if kind == COMPRESSED:
        return _compressed(str(message.format), np.asarray(message.data, np.uint8).tobytes())
    raise InputError(f"{kind} is no image; name a topic of {IMAGE} or {COMPRESSED}")


def _plain(message: Any) -> NDArray[Any]:
    encoding, height, width = str(message.encoding), int(message.height), int(message.width)
    mosaic = _MOSAIC.fullmatch(encoding)
    plain = f"mono{mosaic[2]}" if mosaic is not None else encoding
    if plain not in _PLAIN:
        raise InputError(f"an image's encoding {encoding!r} is not read; convert it to mono16")
    code, channels, order = _PLAIN[plain]
    dtype = np.dtype(code).newbyteorder(">" if message.is_bigendian else "<")
    row = width * channels * dtype.itemsize
    step, data = int(message.step), np.asarray(message.data, np.uint8)
    if not (height and width and height * width <= _MOST_PX):
        raise InputError(f"an image of {width} x {height} px; check the recording")
    if step < row or len(data) < step * (height - 1) + row:
        raise InputError(
            f"an image of {width} x {height} px in {encoding} has rows of {step} bytes and "
            f"{len(data)} bytes in all, which are too few"
        )
    rows = np.lib.stride_tricks.as_strided(data, (height, row), (step * data.strides[0], 1))
    stored = np.ascontiguousarray(rows).view(dtype)
    values: NDArray[Any] = stored.astype(dtype.newbyteorder("="))
    if mosaic is not None:
        return np.asarray(cv2.cvtColor(values, _MOSAICS[mosaic[1]]))
    if channels == 1:
        return values
    return np.ascontiguousarray(values.reshape(height, width, channels)[..., list(order)])


def _compressed(form: str, data: bytes) -> NDArray[Any]:
    """Values of a PNG, JPEG or TIFF; of depth, which comes as a PNG behind a header, too."""
    if "compressedDepth" in form:
        if not form.startswith(("16UC1", "mono16")):
            raise InputError(f"an image's format {form!r} is not read; its values are quantised")
        data = data[_DEPTH_HEADER:]
    try:
        header = read_header(data)
        if header.width * header.height > _MOST_PX:
            raise ValueError(f"{header.width} x {header.height} px")
        decoder = OpenCvDecoder()
        values = decoder(data)
        if values is None or decoder.complaint:
            raise ValueError(decoder.complaint or f"no {header.kind}")
    except (LookupError, ValueError) as error:
        raise InputError(f"a compressed image ({form}) is damaged ({error})") from error
    if values.dtype not in (np.uint8, np.uint16) or (values.ndim == 3 and values.shape[2] != 3):
        raise InputError(f"a compressed image ({form}) has an alpha channel or floats")
    return np.asarray(values)
