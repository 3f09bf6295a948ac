"""Images that cannot be used are refused; see `spoilt_calls`."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from .outcomes import Outcome
from .spoilt_calls import (
    Call,
    by_name,
    check_refused,
    cut,
    flipped,
    png_that_claims,
)
from .tiffs import tiff_with_directory_first


def level(value: int, dtype: type = np.uint8) -> np.ndarray:
    return np.full((64, 64), value, dtype)


def with_few(call: Call, value: float) -> np.ndarray:
    """All but 336 of 4096 pixels have one value."""
    pixels = np.full((64, 64), value, np.float32)
    pixels[20:41, 30:46] = call.texture(1)[20:41, 30:46]
    return pixels


CASES = by_name(
    [
        ("missing", lambda c: c.left_at("nowhere.png"), 3, "nowhere.png: no such file"),
        ("under a file", lambda c: c.left_at(c.right / "x.png"), 3, "no such file"),
        ("right missing", lambda c: [c.left, "no.png", "--bundle", c.bundle], 3, "no.png: no such"),
        ("a folder first", lambda c: c.left_at(c.folder), 3, "is a folder"),
        ("a folder second", lambda c: [c.left, c.folder], 2, "RIGHT must be an image"),
        ("a device", lambda c: c.left_at("/dev/zero"), 3, "not a regular file"),
        (
            "name too long",
            lambda c: [*c.left_at("a" * 300), "--out", "out"],
            3,
            "cannot be read … too long",
        ),
        ("empty", lambda c: c.left_holds(b""), 3, "spoilt.png: is empty"),
        ("text", lambda c: c.left_holds(b"craters " * 99), 3, "not a PNG, JPEG, TIFF or PGM"),
        ("a video", lambda c: c.left_holds(b"\0\0\0\x18ftypmp42" * 9), 3, "not a PNG"),
        ("PNG cut", lambda c: c.left_holds(cut(c.good(".png"))), 3, "truncated PNG"),
        ("PNG without end", lambda c: c.left_holds(c.good(".png")[:-12]), 3, "truncated PNG"),
        ("PNG of 8 bytes", lambda c: c.left_holds(c.good(".png")[:8]), 3, "truncated PNG"),
        (
            "PNG damaged",
            lambda c: c.left_holds(flipped(c.good(".png"))),
            3,
            "damaged PNG … checksum",
        ),
        ("PNG of few pixels", lambda c: c.left_holds(png_that_claims(64, 64)), 3, "damaged PNG"),
        ("JPEG cut", lambda c: c.left_holds(cut(c.good(".jpg"))), 3, "truncated JPEG"),
        ("JPEG of 20 bytes", lambda c: c.left_holds(c.good(".jpg")[:20]), 3, "truncated JPEG"),
        (
            "JPEG ended early",
            lambda c: c.left_holds(cut(c.good(".jpg"), 0.7) + b"\xff\xd9"),
            3,
            "damaged JPEG … premature end",
        ),
        ("TIFF cut", lambda c: c.left_holds(cut(c.good(".tif"))), 3, "truncated or damaged TIFF"),
        (
            "TIFF without last rows",
            lambda c: c.left_holds(tiff_with_directory_first(c.texture(1))[:-100]),
            3,
            "truncated TIFF",
        ),
        (
            "TIFF LZW damaged",
            lambda c: c.left_holds(flipped(c.good(".tif"), 0.4)),
            3,
            "damaged TIFF",
        ),
        (
            "TIFF damaged",
            lambda c: c.left_holds(flipped(c.good(".tif", cv2.IMWRITE_TIFF_COMPRESSION, 8), 0.4)),
            3,
            "damaged TIFF",
        ),
        (
            "NaN",
            lambda c: c.left_shows(with_few(c, np.nan), ".tif"),
            3,
            "only 8.2% of the pixels are valid (masked: 91.8% the file's own",
        ),
        ("infinity", lambda c: c.left_shows(with_few(c, np.inf), ".tif"), 3, "10% are needed"),
        ("int32", lambda c: c.left_shows(level(7, np.int32), ".tif"), 3, "int32 pixels"),
        ("PGM cut", lambda c: c.left_holds(cut(c.good(".pgm"))), 3, "truncated PGM"),
        ("PGM header", lambda c: c.left_holds(b"P5 sixty four 255 "), 3, "damaged PGM"),
        ("no pixels", lambda c: c.left_holds(png_that_claims(0, 0)), 3, "0x0 px is too small"),
        ("1 x 1", lambda c: c.left_shows(level(9)[:1, :1]), 3, "1x1 px is too small … 32 px"),
        ("31 rows", lambda c: c.left_shows(c.texture(1, 31, 64)), 3, "64x31 px is too small"),
        (
            "101 megapixels",
            lambda c: c.left_holds(png_that_claims(10100, 10000)),
            3,
            "10100x10000 px is over 100 megapixels",
        ),
        (
            "4 terapixels",
            lambda c: c.left_holds(png_that_claims(2**21, 2**21)),
            3,
            "100 megapixels",
        ),
        (
            "sizes differ",
            lambda c: c.left_shows(c.texture(1, 64, 65)),
            3,
            "64x64 … 65x64 … images of two sizes need a --rig with the intrinsics of left and of "
            "right",
        ),
        (
            "same file",
            lambda c: [c.left, c.left, "--bundle", c.bundle],
            3,
            "same image … no parallax",
        ),
        ("same pixels", lambda c: c.left_holds(c.right.read_bytes()), 3, "same image"),
        ("black", lambda c: c.left_shows(level(0)), 3, "no texture (all black"),
        ("white", lambda c: c.left_shows(level(255)), 3, "no texture (all white"),
        ("grey", lambda c: c.left_shows(level(99)), 3, "no texture (all one grey level"),
        ("black, 16 bit", lambda c: c.left_shows(level(0, np.uint16)), 3, "no texture"),
        ("bright, 16 bit", lambda c: c.left_shows(level(60000, np.uint16)), 3, "no texture"),
    ]
)


@pytest.mark.parametrize(("spoil", "code", "pieces"), CASES.values(), ids=CASES)
def test_bad_images_are_refused_in_one_line(
    call: Call,
    infer: Callable[..., Outcome],
    spoil: Callable[[Call], list[object]],
    code: int,
    pieces: str,
) -> None:
    check_refused(call, infer, spoil, code, pieces)


def test_a_tiff_with_its_directory_first_is_read(call: Call, infer: Callable[..., Outcome]) -> None:
    arguments = call.left_holds(tiff_with_directory_first(call.texture(5)))
    assert infer(*arguments).code == 0
