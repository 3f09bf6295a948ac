"""Headers are read in time that grows with their length, and say what the decoder must find."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files import decode
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.images import read_image
from lunar_runtime.files.tiff.image import NotSupportedError

from .images import encode, texture


@pytest.mark.parametrize(
    "between", [" ", "\n", "\t\r\n", "\n# a comment\n", " # one\n#two\n", "\n#\n", "\v\f "]
)
@pytest.mark.parametrize(("kind", "samples"), [("P5", 1), ("P6", 3)])
def test_any_white_space_and_comments_between_a_pgms_numbers(
    between: str, kind: str, samples: int
) -> None:
    header = f"{kind}{between}40{between}50{between}255\n".encode()
    found = read_header(header + bytes(40 * 50 * samples))
    assert found[:5] == ("PGM", 40, 50, 8, samples)
    assert found.pixels_at == len(header)


@pytest.mark.parametrize(
    ("largest", "bits"), [(1, 8), (255, 8), (256, 16), (4095, 16), (65535, 16)]
)
def test_a_pgms_largest_value_decides_its_bits(tmp_path: Path, largest: int, bits: int) -> None:
    values = np.random.default_rng(0).integers(0, largest + 1, (50, 40))
    stored = values.astype(">u2" if bits == 16 else "u1").tobytes()
    (tmp_path / "a.pgm").write_bytes(f"P5 40 50 {largest}\n".encode() + stored)
    image = read_image(tmp_path / "a.pgm")
    assert image.dtype == f"uint{bits}"
    if bits == 8:
        np.testing.assert_array_equal(image.pixels, values * (255 // largest))


def test_a_16_bit_ppm_is_colour(tmp_path: Path) -> None:
    values = np.zeros((50, 40, 3), ">u2")
    values[..., 0] = np.arange(40) * 1000  # red comes first in the file
    (tmp_path / "a.ppm").write_bytes(b"P6 40 50 65535\n" + values.tobytes())
    image = read_image(tmp_path / "a.ppm")
    assert image.stretch is not None
    assert image.stretch[1] == pytest.approx(0.299 * 39000, abs=1)


@pytest.mark.parametrize(
    "header",
    [b"P5", b"P5 ", b"P5 40", b"P5 40 50", b"P5 40 50 255", b"P5 40 50 x ", b"P5 -40 50 255 ",
     b"P5 40 50 0 ", b"P5 40 50 65536 ", b"P5 40 50 255#\n", b"P5 99999999999 50 255 ",
     b"P5 # no end", b"P540 50 255 "],
)  # fmt: skip
def test_a_pgm_header_that_is_none_is_damaged(header: bytes) -> None:
    with pytest.raises(ValueError, match="damaged PGM header"):
        read_header(header)


@pytest.mark.parametrize("piece", [b"#\n", b" #\n", b"# #\n", b" ", b"#", b"\n#x", b"\n1x"])
def test_a_pgm_header_is_read_once_however_it_is_made(piece: bytes) -> None:
    """Ten times the header may take some ten times as long; an expression took 2^n times."""
    took = []
    for repeats in (400, 4000):
        content = b"P5" + piece * repeats + b"x"
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            with pytest.raises(ValueError, match="damaged PGM header"):
                read_header(content)
            best = min(best, time.process_time() - start)
        took.append(best)
    assert took[1] < 40 * took[0] + 0.05


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_says_its_bits_and_samples(dtype: type[np.generic], channels: int) -> None:
    values = np.ones((50, 40, channels), dtype)
    header = read_header(encode(values, ".png"))
    assert header[:5] == ("PNG", 40, 50, 8 * values.dtype.itemsize, channels)
    assert header.photometric == ("grey" if channels == 1 else "rgb")


def test_a_jpeg_says_its_bits_and_samples() -> None:
    values = texture(1)
    assert read_header(encode(values, ".jpg"))[:5] == ("JPEG", 64, 64, 8, 1)
    colour = np.stack([values] * 3, axis=2)
    assert read_header(encode(colour, ".jpg"))[:5] == ("JPEG", 64, 64, 8, 3)


@pytest.mark.parametrize(
    ("coding", "bits", "said"),
    [
        (0xC3, 8, "not supported: a JPEG of coding 0xc3; convert it to PNG"),
        (0xC1, 12, "not supported: a JPEG of 12 bits; convert it to PNG or TIFF of 16"),
    ],
)
def test_jpegs_that_no_usual_decoder_reads_are_not_called_damaged(
    tmp_path: Path, coding: int, bits: int, said: str
) -> None:
    content = encode(texture(1), ".jpg")
    at = content.index(b"\xff\xc0")
    changed = content[: at + 1] + bytes([coding]) + content[at + 2 : at + 4] + bytes([bits])
    (tmp_path / "a.jpg").write_bytes(changed + content[at + 5 :])
    with pytest.raises(InputError, match=said):
        read_image(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("decoded", "found"),
    [
        (np.zeros((64, 64, 3), np.uint8), "3 channels of uint8, 64x64 px"),
        (np.zeros((32, 64), np.uint16), "1 channels of uint16, 64x32 px"),
        (np.zeros((64, 64), np.float32), "1 channels of float32, 64x64 px"),
    ],
)
def test_what_is_decoded_otherwise_than_the_header_says_is_refused(
    tmp_path: Path, decoded: np.ndarray, found: str
) -> None:
    header = read_header(encode(texture(1).astype(np.uint16), ".png"))
    with pytest.raises(NotSupportedError) as caught:
        decode._as_said(decoded, header)
    assert str(caught.value) == (
        f"not supported: it was decoded as {found}, but its header says 1 of 16 bits, 64x64 px; "
        "convert it to TIFF"
    )
