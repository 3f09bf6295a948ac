"""Every kind of image becomes the same grey; what is wrong with a file is said.

Files that are refused are in test_bad_images.py.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.images import grey_from_array, read_image
from numpy.typing import NDArray

from .images import encode
from .tiffs import hand_written_tiff


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(content: bytes, name: str = "image") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


@pytest.fixture(scope="module")
def grey(make_texture: Callable[..., NDArray[np.uint8]]) -> NDArray[np.uint8]:
    return make_texture(3, 48, 80)


LOSSLESS = {
    "PNG": (".png",),
    "TIFF": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "TIFF LZW": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "TIFF deflate": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "PGM": (".pgm",),
}


@pytest.mark.parametrize("how", LOSSLESS.values(), ids=LOSSLESS)
def test_8_bit_grey_stays_what_it_is(
    how: tuple[Any, ...], grey: NDArray[np.uint8], write: Callable[..., Path]
) -> None:
    content = encode(grey, *how)
    image = read_image(write(content))
    np.testing.assert_array_equal(image.pixels, grey)
    assert (image.dtype, image.channels, image.stretch) == ("uint8", 1, None)
    assert image.size == (80, 48)
    assert image.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_three_equal_channels_are_that_channel_and_alpha_of_any_other_value_is_ignored(
    channels: int, suffix: str, grey: NDArray[np.uint8], write: Callable[..., Path]
) -> None:
    opaque = np.maximum(np.roll(grey, 5), 1)  # 0 means invalid
    layers = [grey, grey, grey, opaque][:channels]
    image = read_image(write(encode(cv2.merge(layers), suffix)))
    np.testing.assert_array_equal(image.pixels, grey)
    assert image.channels == channels


def test_colour_becomes_luma(write: Callable[..., Path]) -> None:
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[..., 2] = 200  # red, in OpenCV's order
    image = read_image(write(encode(pixels, ".png")))
    assert np.all(image.pixels == round(0.299 * 200))


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("restarts", [0, 4])
def test_jpegs_of_all_kinds_are_whole(
    options: tuple[int, ...], restarts: int, grey: NDArray[np.uint8], write: Callable[..., Path]
) -> None:
    content = encode(grey, ".jpg", *options, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read_image(write(content)).pixels, expected)


def test_exif_orientation_is_ignored(grey: NDArray[np.uint8], write: Callable[..., Path]) -> None:
    """A calibrated camera's pixels stay where its intrinsics say they are."""
    content = encode(grey, ".jpg")
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 6) + bytes(4)
    turned = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    obeyed = cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert obeyed is not None
    assert obeyed.shape == (80, 48)
    np.testing.assert_array_equal(
        read_image(write(turned, "turned")).pixels, read_image(write(content)).pixels
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.int16])
def test_more_than_8_bits_are_stretched_from_the_least_to_the_largest_but_for_hot_pixels(
    dtype: type[np.generic], write: Callable[..., Path]
) -> None:
    ramp = np.linspace(1000, 5000, 100 * 100).reshape(100, 100)
    values: NDArray[Any] = ramp.astype(dtype)
    values[0, 0] = 30000  # one hot pixel in ten thousand: beyond the 99.9 percentile
    image = read_image(write(encode(values, ".tif")))
    assert image.stretch is not None
    low, high = image.stretch
    assert low == pytest.approx(1000, abs=2)  # the integer types' rounding
    assert high == pytest.approx(5000, abs=2)
    expected = np.clip((values.astype(float) - low) / (high - low) * 255, 0, 255)
    # 0.51: rounding to whole grey levels, in float32.
    assert np.abs(image.pixels - expected).max() <= 0.51


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_an_image_in_more_bits_keeps_its_8(dtype: type[np.generic]) -> None:
    """The brightest thousandth is the steepest ground: clipped, it was missed."""
    grey = np.clip(np.random.default_rng(0).normal(90, 30, (64, 64)), 0, 255).astype(np.uint8)
    grey[0, :2] = 0, 255
    deep = (grey.astype(np.float64) * 40 + 700).astype(dtype)
    np.testing.assert_array_equal(grey_from_array(deep).pixels, grey)


def test_the_stretch_of_a_large_image_is_that_of_its_samples() -> None:
    values = np.tile(np.arange(4096, dtype=np.uint16), (2500, 1))  # 10 megapixels
    assert grey_from_array(values).stretch == pytest.approx((0, 4095), abs=2)


def test_big_endian_and_bigtiff_are_read(
    grey: NDArray[np.uint8], write: Callable[..., Path]
) -> None:
    """Written here by hand: OpenCV writes neither."""
    for order, big in (("<", False), (">", False), ("<", True), (">", True)):
        content = hand_written_tiff(grey, order, big)
        np.testing.assert_array_equal(read_image(write(content)).pixels, grey)
        assert read_header(content)[:5] == ("TIFF", 80, 48, 8, 1)


def test_comments_in_a_pgm_are_skipped(grey: NDArray[np.uint8], write: Callable[..., Path]) -> None:
    content = b"P5\n# by hand\n80\n# rows\n48 255\n" + grey.tobytes()
    np.testing.assert_array_equal(read_image(write(content)).pixels, grey)


@pytest.mark.parametrize("largest", [15, 63, 100])
def test_white_in_a_pgm_is_its_largest_value(write: Callable[..., Path], largest: int) -> None:
    values = (np.arange(40 * 50).reshape(40, 50) % (largest + 1)).astype(np.uint8)
    head = f"P5 50 40 {largest}\n".encode()
    image = read_image(write(head + values.tobytes()))
    np.testing.assert_array_equal(image.pixels, np.rint(values * (255 / largest)))
    values[3, 4] = largest + 1
    with pytest.raises(InputError, match=f"damaged PGM .a sample of {largest + 1}, above"):
        read_image(write(head + values.tobytes()))


@pytest.mark.parametrize("share", np.linspace(0.02, 0.98, 25))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".pgm"])
def test_no_truncated_file_is_ever_read(
    suffix: str, share: float, grey: NDArray[np.uint8], write: Callable[..., Path]
) -> None:
    content = encode(grey, suffix)
    with pytest.raises(InputError, match=r"truncated|damaged|not a PNG"):
        read_image(write(content[: int(len(content) * share)]))


def test_random_damage_is_refused_or_harmless_but_never_a_crash(
    grey: NDArray[np.uint8], write: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for suffix in (".png", ".jpg", ".tif", ".pgm"):
        content = np.frombuffer(encode(grey, suffix), np.uint8)
        for _ in range(25):
            spoilt = content.copy()
            places = rng.integers(0, len(spoilt), 3)
            spoilt[places] = rng.integers(0, 256, 3)
            try:
                image = read_image(write(spoilt.tobytes()))
            except InputError:
                continue
            assert image.pixels.ndim == 2
    assert capfd.readouterr().err == ""


def test_what_decoders_print_goes_to_the_log(
    write: Callable[..., Path],
    grey: NDArray[np.uint8],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = encode(grey, ".jpg")
    spoilt = content[: len(content) * 2 // 3] + b"\xff\xd9"
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError, match="premature end"):
        read_image(write(spoilt))
    assert capfd.readouterr().err == ""
    assert "premature end of data segment" in caplog.text


def test_what_others_print_meanwhile_is_not_held_against_the_image(
    write: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Another thread may write to stderr while a decoder runs."""
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000), np.uint8)  # slow to decode
    path = write(encode(noise, ".png"))
    finished = threading.Event()

    def chatter() -> None:
        while not finished.is_set():
            os.write(2, b"[navigation] error: corrupt odometry\nlibpng warning: iCCP: profile\n")

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        with caplog.at_level(logging.DEBUG):
            for _ in range(20):
                np.testing.assert_array_equal(read_image(path).pixels, noise)
                if "corrupt odometry" in caplog.text:
                    break
    finally:
        finished.set()
        thread.join()
    assert "corrupt odometry" in caplog.text  # it was caught while an image was read
    capfd.readouterr()


def test_stderr_works_afterwards(
    write: Callable[..., Path], grey: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    read_image(write(encode(grey, ".png")))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_images_can_be_read_from_many_threads(
    write: Callable[..., Path], grey: NDArray[np.uint8], capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(encode(grey, ".png"))
    failures = []

    def read() -> None:
        for _ in range(20):
            if not np.array_equal(read_image(path).pixels, grey):
                failures.append(1)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


@pytest.mark.parametrize("shape", [(64,), (2, 64, 64), (64, 64, 2), (64, 64, 5), (1, 64, 64, 3)])
def test_arrays_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="need a grey, colour or colour\\+alpha image"):
        grey_from_array(np.zeros(shape, np.uint8), "x")


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.complex64, np.bool_, np.float16])
def test_arrays_of_other_types_are_refused(dtype: type) -> None:
    with pytest.raises(InputError, match=f"x: {np.dtype(dtype)} pixels; convert it"):
        grey_from_array(np.zeros((64, 64), dtype), "x")


def test_a_png_that_hides_a_bomb_is_refused_by_its_header(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    """No pixel is decoded: 100 gigapixels would not fit anywhere."""
    header = struct.pack(">IIBBBBB", 400_000, 250_000, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
        for n, c in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    )
    with pytest.raises(InputError, match="400000x250000 px is over 100 megapixels"):
        read_image(write(b"\x89PNG\r\n\x1a\n" + chunks))


def test_a_file_over_a_gibibyte_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tif"
    with path.open("wb") as stream:
        stream.truncate((1 << 30) + 1)
    with pytest.raises(InputError, match="1024 MiB; crop or convert it first"):
        read_image(path)
