"""Every kind of image becomes the same grey; what is wrong with a file is said.

Files that are refused are in test_bad_input.py.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
import zlib

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.images import grey_from_array, read_image
from lunar_runtime.inference.pair import check_pair


def encode(values, suffix, *parameters):
    done, data = cv2.imencode(suffix, values, parameters)
    assert done
    return data.tobytes()


@pytest.fixture
def write(tmp_path):
    def write_file(content: bytes, name: str = "image"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


@pytest.fixture(scope="module")
def grey(make_texture):
    return make_texture(3, 48, 80)


LOSSLESS = {
    "PNG": (".png",),
    "TIFF": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 1),
    "TIFF LZW": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 5),
    "TIFF deflate": (".tif", cv2.IMWRITE_TIFF_COMPRESSION, 8),
    "PGM": (".pgm",),
}


@pytest.mark.parametrize("how", LOSSLESS.values(), ids=LOSSLESS)
def test_8_bit_grey_stays_what_it_is(how, grey, write):
    content = encode(grey, *how)
    image = read_image(write(content))
    np.testing.assert_array_equal(image.pixels, grey)
    assert (image.dtype, image.channels, image.stretch) == ("uint8", 1, None)
    assert image.size == (80, 48)
    assert image.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_three_equal_channels_are_that_channel_and_alpha_is_ignored(channels, suffix, grey, write):
    layers = [grey, grey, grey, np.roll(grey, 5)][:channels]
    image = read_image(write(encode(cv2.merge(layers), suffix)))
    np.testing.assert_array_equal(image.pixels, grey)
    assert image.channels == channels


def test_colour_becomes_luma(write):
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[..., 2] = 200  # red, in OpenCV's order
    image = read_image(write(encode(pixels, ".png")))
    assert np.all(image.pixels == round(0.299 * 200))


@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
@pytest.mark.parametrize("restarts", [0, 4])
def test_jpegs_of_all_kinds_are_whole(options, restarts, grey, write):
    content = encode(grey, ".jpg", *options, cv2.IMWRITE_JPEG_RST_INTERVAL, restarts)
    expected = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read_image(write(content)).pixels, expected)


def test_exif_orientation_is_ignored(grey, write):
    """A calibrated camera's pixels stay where its intrinsics say they are."""
    content = encode(grey, ".jpg")
    exif = b"Exif\0\0" + b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 3, 1, 6) + bytes(4)
    turned = content[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + content[2:]
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (80, 48)
    np.testing.assert_array_equal(
        read_image(write(turned, "turned")).pixels, read_image(write(content)).pixels
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64, np.int16])
def test_more_than_8_bits_are_stretched_between_two_percentiles(dtype, write):
    ramp = np.linspace(1000, 5000, 100 * 100).reshape(100, 100)
    values = ramp.astype(dtype)
    values[0, 0] = 30000  # one hot pixel in ten thousand: beyond the 99.9 percentile
    image = read_image(write(encode(values, ".tif")))
    low, high = image.stretch
    # 1 ‰ of the ramp at either end, and the integer types' rounding.
    assert low == pytest.approx(1004, abs=2)
    assert high == pytest.approx(4996, abs=2)
    expected = np.clip((values.astype(float) - low) / (high - low) * 255, 0, 255)
    # 0.51: rounding to whole grey levels, in float32.
    assert np.abs(image.pixels - expected).max() <= 0.51


def test_the_stretch_of_a_large_image_is_that_of_its_samples():
    values = np.tile(np.arange(4096, dtype=np.uint16), (2500, 1))  # 10 megapixels
    low, high = grey_from_array(values).stretch
    assert (low, high) == pytest.approx((4, 4091), abs=2)


def test_big_endian_and_bigtiff_are_read(grey, write):
    """Written here by hand: OpenCV writes neither."""
    for order, big in (("<", False), (">", False), ("<", True), (">", True)):
        content = hand_written_tiff(grey, order, big)
        np.testing.assert_array_equal(read_image(write(content)).pixels, grey)
        assert read_header(content) == ("TIFF", 80, 48)


def hand_written_tiff(pixels, order, big):
    """Two strips, so that offsets and counts are arrays."""
    height, width = pixels.shape
    half = height // 2
    word, count, head = ("Q", "Q", 16) if big else ("I", "H", 8)
    entry, inline = ("HHQ", 8) if big else ("HHI", 4)
    entries = 9
    directory = struct.calcsize("<" + count) + entries * (20 if big else 12) + inline
    arrays = head + directory
    data = arrays + 16
    tags = [
        (256, "I", [width]), (257, "I", [height]), (258, "H", [8]), (259, "H", [1]),
        (262, "H", [1]), (273, "I", [data, data + half * width]), (277, "H", [1]),
        (278, "I", [half]), (279, "I", [half * width, (height - half) * width]),
    ]  # fmt: skip
    mark = b"II" if order == "<" else b"MM"
    version = ("HHHQ", 43, 8, 0, head) if big else ("HI", 42, head)
    magic = struct.pack(order + version[0], *version[1:])
    body, extra = struct.pack(order + count, entries), b""
    for tag, kind, values in tags:
        body += struct.pack(order + entry, tag, {"H": 3, "I": 4}[kind], len(values))
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(packed) > inline:
            body += struct.pack(order + word, arrays + len(extra))
            extra += packed
        else:
            body += packed.ljust(inline, b"\0")
    body += bytes(inline)
    whole = mark + magic + body + extra.ljust(16, b"\0")
    assert len(whole) == data
    return whole + pixels.tobytes()


def test_comments_in_a_pgm_are_skipped(grey, write):
    content = b"P5\n# by hand\n80\n# rows\n48 255\n" + grey.tobytes()
    np.testing.assert_array_equal(read_image(write(content)).pixels, grey)


@pytest.mark.parametrize("share", np.linspace(0.02, 0.98, 25))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".pgm"])
def test_no_truncated_file_is_ever_read(suffix, share, grey, write):
    content = encode(grey, suffix)
    with pytest.raises(InputError, match=r"truncated|damaged|not a PNG"):
        read_image(write(content[: int(len(content) * share)]))


def test_random_damage_is_refused_or_harmless_but_never_a_crash(grey, write, capfd):
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


def test_what_decoders_print_goes_to_the_log(write, grey, capfd, caplog):
    content = encode(grey, ".jpg")
    spoilt = content[: len(content) * 2 // 3] + b"\xff\xd9"
    with caplog.at_level(logging.DEBUG), pytest.raises(InputError, match="premature end"):
        read_image(write(spoilt))
    assert capfd.readouterr().err == ""
    assert "premature end of data segment" in caplog.text


def test_what_others_print_meanwhile_is_not_held_against_the_image(write, grey, monkeypatch):
    """Another thread may write to stderr while a decoder runs."""
    decode = cv2.imdecode

    def decode_beside_others(*arguments):
        os.write(2, b"[navigation] error: corrupt odometry\nlibpng warning: iCCP: known profile\n")
        return decode(*arguments)

    path = write(encode(grey, ".png"))
    monkeypatch.setattr("lunar_runtime.files.images.cv2.imdecode", decode_beside_others)
    np.testing.assert_array_equal(read_image(path).pixels, grey)


def test_stderr_works_afterwards(write, grey, capfd):
    read_image(write(encode(grey, ".png")))
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"


def test_images_can_be_read_from_many_threads(write, grey, capfd):
    path = write(encode(grey, ".png"))
    failures = []

    def read():
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
def test_arrays_of_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="need a grey, colour or colour\\+alpha image"):
        grey_from_array(np.zeros(shape, np.uint8), "x")


@pytest.mark.parametrize("dtype", [np.int32, np.uint64, np.complex64, np.bool_, np.float16])
def test_arrays_of_other_types_are_refused(dtype):
    with pytest.raises(InputError, match=f"x: {np.dtype(dtype)} pixels; convert it"):
        grey_from_array(np.zeros((64, 64), dtype), "x")


def test_a_png_that_hides_a_bomb_is_refused_by_its_header(write, tmp_path):
    """No pixel is decoded: 100 gigapixels would not fit anywhere."""
    header = struct.pack(">IIBBBBB", 400_000, 250_000, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(c)) + n + c + struct.pack(">I", zlib.crc32(n + c))
        for n, c in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(99))), (b"IEND", b""))
    )
    with pytest.raises(InputError, match="400000x250000 px is over 100 megapixels"):
        read_image(write(b"\x89PNG\r\n\x1a\n" + chunks))


def test_a_file_over_a_gibibyte_is_not_even_read(tmp_path):
    path = tmp_path / "sparse.tif"
    with path.open("wb") as stream:
        stream.truncate((1 << 30) + 1)
    with pytest.raises(InputError, match="1024 MiB; crop or convert it first"):
        read_image(path)


# --- pairs --------------------------------------------------------------------------------------


def test_a_pair_of_different_textures_is_fine(make_texture):
    check_pair(grey_from_array(make_texture(1)), grey_from_array(make_texture(2)))


def test_one_grey_level_of_difference_makes_another_image(make_texture):
    other = make_texture(1)
    other[5, 5] ^= 1
    check_pair(grey_from_array(make_texture(1)), grey_from_array(other))


def test_a_dim_but_textured_image_is_fine(make_texture):
    dim = (make_texture(1) // 40).astype(np.uint8)  # 7 grey levels
    check_pair(grey_from_array(dim), grey_from_array(make_texture(2)))


@pytest.mark.parametrize("size", [64, 512])
def test_one_hot_pixel_is_no_texture(size):
    black = np.zeros((512, 512), np.uint8)
    black[size // 2, size // 3] = 255
    with pytest.raises(InputError, match="no texture"):
        check_pair(grey_from_array(black), grey_from_array(black))
