"""Images of messages are what the camera saw: step, byte order, 16 bits, mosaics."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

pytest.importorskip("rosbags", reason="needs rosbags, of the extra `bags`")

from ground.bags.recordings import compressed, image
from lunar_ground.bags.images import COMPRESSED, IMAGE, image_of

GREY = np.arange(1, 41, dtype=np.uint16).reshape(5, 8)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=-1).astype(np.uint8)  # blue first


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (GREY.astype(np.uint8), "mono8"),
        (GREY * 1000, "mono16"),
        (GREY * 1000, "16UC1"),
        (GREY.astype(np.float32) / 3, "32FC1"),
    ],
)
def test_rows_and_byte_order_are_honoured(
    values: NDArray[Any], encoding: str, big: bool, padding: int
) -> None:
    read = image_of(image(values, encoding, big=big, padding=padding), IMAGE)
    np.testing.assert_array_equal(read, values)
    assert read.dtype == values.dtype
    assert read.dtype.isnative


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (COLOUR, "bgr8"),
        (COLOUR[..., ::-1], "rgb8"),
        (np.dstack([COLOUR, GREY.astype(np.uint8)]), "bgra8"),
        (np.dstack([COLOUR[..., ::-1], GREY.astype(np.uint8)]), "rgba8"),
    ],
)
def test_colours_come_blue_first(stored: NDArray[Any], encoding: str) -> None:
    read = image_of(image(stored, encoding, padding=5), IMAGE)
    np.testing.assert_array_equal(read, COLOUR)


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_mosaic_of_one_colour_is_its_grey(pattern: str, bits: int) -> None:
    levels = {"r": 40, "g": 90, "b": 200}
    dtype = np.uint8 if bits == 8 else np.uint16
    cell = np.array([levels[c] for c in pattern], dtype).reshape(2, 2)
    read = image_of(image(np.tile(cell, (8, 8)), f"bayer_{pattern}{bits}"), IMAGE)
    grey = 0.299 * levels["r"] + 0.587 * levels["g"] + 0.114 * levels["b"]
    # OpenCV rounds each of its interpolations.
    assert np.abs(read[2:-2, 2:-2].astype(float) - grey).max() <= 1.5


def test_a_last_row_without_its_padding_is_whole() -> None:
    message = image(GREY, "mono16", padding=4)
    message.data = message.data[:-4]
    np.testing.assert_array_equal(image_of(message, IMAGE), GREY)


@pytest.mark.parametrize(("form", "suffix"), [("mono16; png compressed ", ".png"), ("png", ".png")])
def test_16_bit_png_stays_16_bit(form: str, suffix: str) -> None:
    big = np.tile(GREY * 1000, (8, 8))
    data = cv2.imencode(suffix, big)[1].tobytes()
    read = image_of(compressed(data, form), COMPRESSED)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, big)


def test_compressed_depth_is_behind_a_header() -> None:
    big = np.tile(GREY * 1000, (8, 8))
    data = struct.pack("<iff", 0, 0.0, 0.0) + cv2.imencode(".png", big)[1].tobytes()
    read = image_of(compressed(data, "16UC1; compressedDepth png"), COMPRESSED)
    np.testing.assert_array_equal(read, big)


def too_short() -> Any:
    message = image(GREY, "mono16")
    message.data = message.data[:-1]
    return message


def narrow_step() -> Any:
    message = image(GREY, "mono16")
    message.step = 15
    return message


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (too_short(), IMAGE, "rows of 16 bytes and 79 bytes in all, which are too few"),
        (narrow_step(), IMAGE, "rows of 15 bytes and 80 bytes in all"),
        (image(GREY, "yuv422"), IMAGE, "encoding 'yuv422' is not read"),
        (compressed(b"\x89PNG\r\n\x1a\n....", "png"), COMPRESSED, r"\(png\) is damaged"),
        (compressed(b"", "jpeg"), COMPRESSED, r"\(jpeg\) is damaged"),
        (compressed(b"x" * 99, "32FC1; compressedDepth png"), COMPRESSED, "are quantised"),
        (None, "std_msgs/msg/String", "is no image; name a topic of"),
    ],
)
def test_what_is_no_whole_image_is_refused(message: Any, kind: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        image_of(message, kind)
