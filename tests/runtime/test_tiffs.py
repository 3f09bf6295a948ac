"""A TIFF's pixels mean what its directory says, or the file is refused with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.image_header import read_header
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image

from .images import encode
from .tiffs import (
    COLOUR_MAP,
    COMPRESSION,
    EXTRA_SAMPLES,
    FILL_ORDER,
    GDAL_NODATA,
    ORIENTATION,
    PHOTOMETRIC,
    PREDICTOR,
    SUBFILE,
    Tags,
    make_tiff,
    relief,
    same,
)

TYPES = ("uint8", "uint16", "int16", "float32", "float64")

Read = Callable[..., GreyImage]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read_bytes(content: bytes) -> GreyImage:
        (tmp_path / "image.tif").write_bytes(content)
        return read_image(tmp_path / "image.tif")

    return read_bytes


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tile", [None, 16, 48])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bands", [1, 3])
def test_every_layout_gives_the_same_pixels(
    read: Read, dtype: str, order: str, tile: int | None, planar: bool, bands: int
) -> None:
    values = relief(dtype, bands)
    stored = values[..., ::-1] if bands == 3 else values
    for predictor in {1, 2, 3 if dtype.startswith("float") else 2}:
        content = make_tiff(stored, order=order, tile=tile, planar=planar, predictor=predictor)
        same(read(content), values)
    same(read(make_tiff(stored, order=order, tile=tile, planar=planar, deflate=False)), values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_the_orientation_is_ignored(read: Read, orientation: int, dtype: str) -> None:
    values = relief(dtype)
    content = make_tiff(values, {ORIENTATION: [orientation]})
    same(read(content), values)
    assert read_header(content).orientation == orientation


@pytest.mark.parametrize("dtype", TYPES)
def test_c11_white_is_zero_is_inverted_at_every_depth(read: Read, dtype: str) -> None:
    values = relief(dtype)
    image = read(make_tiff(values, {PHOTOMETRIC: [0]}))
    straight = grey_from_array(values).pixels.astype(int)
    # One grey level: the stretch rounds from the other end.
    assert np.abs(image.pixels.astype(int) - (255 - straight)).max() <= 1


def test_bands_alike_are_that_band_and_different_ones_are_refused(read: Read) -> None:
    grey = relief("uint16")
    for planar in (False, True):
        for bands in (2, 3, 4):
            alike = np.stack([grey] * bands, axis=2)
            tags: Tags = {PHOTOMETRIC: [1], EXTRA_SAMPLES: [0] * (bands - 1)}
            image = read(make_tiff(alike, tags, planar=planar))
            same(image, grey)
            assert image.channels == bands
            different = alike.copy()
            different[3, 4, 1] += 1
            with pytest.raises(InputError, match=f"{bands} different bands .* gdal_translate -b 1"):
                read(make_tiff(different, tags, planar=planar))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("planar", [False, True])
def test_alpha_of_zero_is_invalid_at_every_depth(
    read: Read, dtype: str, colours: int, planar: bool
) -> None:
    values = np.atleast_3d(relief(dtype, colours))
    alpha = np.ones((45, 70, 1), dtype)
    alpha[:9] = 0
    tags = {EXTRA_SAMPLES: [2], PHOTOMETRIC: [2 if colours == 3 else 1]}
    image = read(make_tiff(np.concatenate([values, alpha], axis=2), tags, planar=planar))
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, alpha[..., 0] > 0)
    assert image.valid_fraction == pytest.approx(0.8)
    assert image.channels == colours + 1
    assert image.dtype == dtype


def test_a_fourth_band_that_is_called_nothing_is_no_alpha(read: Read) -> None:
    colours, fourth = relief("uint8", 3), np.zeros((45, 70, 1), np.uint8)
    stored = np.concatenate([colours[..., ::-1], fourth], axis=2)
    image = read(make_tiff(stored, {EXTRA_SAMPLES: [0]}))
    same(image, colours)
    assert image.valid is None


@pytest.mark.parametrize(
    ("dtype", "nodata", "text"),
    [
        ("int16", -32768, b"-32768"),
        ("uint16", 0, b"0"),
        ("uint16", 65535, b"65535"),
        ("uint8", 255, b"255"),
        ("uint8", 0, b"0 "),
        ("float32", -9999.0, b"-9999"),
        ("float32", 1500.5, b"1500.5"),
        ("float32", np.finfo(np.float32).min, b"-3.40282346638528860e+38"),
        ("float32", np.nan, b"nan"),
        ("float64", 1e5, b"100000"),
    ],
)
def test_the_files_own_value_for_none_is_invalid(
    read: Read, dtype: str, nodata: float, text: bytes
) -> None:
    values = relief(dtype)
    values[values == nodata] += 1
    clean = read(make_tiff(values))
    values[5:9, 20:50] = nodata
    image = read(make_tiff(values, {GDAL_NODATA: text + b"\0"}))
    invalid = np.zeros((45, 70), bool)
    invalid[5:9, 20:50] = True
    assert image.valid is not None
    np.testing.assert_array_equal(~image.valid, invalid)
    assert clean.valid is None
    # The stretch is that of the ground: 1 ‰ of the pixels at either end decide it.
    close = np.abs(image.pixels.astype(int) - clean.pixels)[~invalid]
    assert np.median(close) <= 1
    assert np.all(image.pixels[invalid] == round(float(np.median(image.pixels[~invalid]))))


@pytest.mark.parametrize("extras", [[2, 2, 2], [1], [9, 0]])
def test_extra_samples_that_are_not_there_are_no_alpha(read: Read, extras: list[int]) -> None:
    image = read(make_tiff(relief("uint8"), {EXTRA_SAMPLES: extras}))
    same(image, relief("uint8"))
    assert image.valid is None


def test_nodata_of_colours_is_invalid_where_all_bands_have_it(read: Read) -> None:
    values = np.maximum(relief("uint8", 3), 1)
    values[0, :20] = 0
    values[1, :20, 1] = 0
    image = read(make_tiff(values, {GDAL_NODATA: b"0\0"}))
    assert image.valid is not None
    assert np.argwhere(~image.valid).tolist() == [[0, x] for x in range(20)]


def test_nodata_that_the_type_cannot_hold_or_that_is_no_number_is_no_value(read: Read) -> None:
    for text in (b"-9999\0", b"1.5\0", b"none\0", b"70000\0"):
        assert read(make_tiff(relief("uint16"), {GDAL_NODATA: text})).valid is None


def test_an_internal_mask_is_obeyed(read: Read) -> None:
    values, mask = relief("uint16"), np.full((45, 70), 255, np.uint8)
    mask[:, 60:] = 0
    content = make_tiff(mask, {SUBFILE: [4], PHOTOMETRIC: [4]}, first=[(values, {})])
    image = read(content)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, mask > 0)


def test_a_mask_beside_the_file_is_obeyed(tmp_path: Path, read: Read) -> None:
    values, mask = relief("uint16"), np.full((45, 70), 255, np.uint8)
    mask[:, 60:] = 0
    (tmp_path / "image.tif.msk").write_bytes(make_tiff(mask))
    image = read(make_tiff(values))
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, mask > 0)
    (tmp_path / "image.tif.msk").write_bytes(make_tiff(mask[:40]))
    with pytest.raises(InputError, match=r"image\.tif\.msk: 70x40 px, but its image has 70x45;"):
        read(make_tiff(values))
    (tmp_path / "image.tif.msk").write_bytes(b"II*")
    with pytest.raises(InputError, match=r"image\.tif\.msk: "):
        read(make_tiff(values))


def test_an_internal_mask_of_a_jpeg_is_obeyed_and_alpha_in_jpeg_is_refused(read: Read) -> None:
    # What GDAL makes of COMPRESS=JPEG: the mask is an image of its own, in deflate.
    values, mask = relief("uint8"), np.full((45, 70), 255, np.uint8)
    mask[:, 60:] = 0
    photo = (values, {COMPRESSION: [7], PREDICTOR: []})
    image = read(make_tiff(mask, {SUBFILE: [4], PHOTOMETRIC: [4]}, rows=16, first=[photo]))
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, mask > 0)
    off = image.pixels[:, :60].astype(int) - values[:, :60]
    assert np.abs(off).max() < 30  # JPEG's
    two = np.dstack([values, mask])
    tags = {COMPRESSION: [7], PREDICTOR: [], EXTRA_SAMPLES: [2]}
    with pytest.raises(InputError, match="alpha in JPEG compression; convert it with gdal_tr"):
        read(make_tiff(two, tags, rows=16))


@pytest.mark.parametrize(
    ("dtype", "nodata", "text"),
    [
        ("uint16", 4000, b"0xFA0"),
        ("int16", -9999, b"-9999,0"),
        ("uint16", 4000, b"+4000."),
        ("float32", -1500.25, b"-1500,25"),
        ("float32", np.float32(-1e32), b"0xF49DC5AE"),
    ],
)
def test_values_for_none_are_read_however_they_are_spelled(
    read: Read, dtype: str, nodata: float, text: bytes
) -> None:
    values = relief(dtype)
    values[values == nodata] += 1
    values[5, 20:26] = nodata  # too few to be told from the ground without the tag
    image = read(make_tiff(values, {GDAL_NODATA: text + b"\0"}))
    assert image.valid is not None
    assert np.argwhere(~image.valid).tolist() == [[5, x] for x in range(20, 26)]


@pytest.mark.parametrize("text", [b"inf", b"-inf", b"1e999", b"nan"])
def test_values_for_none_that_no_integer_can_be_are_no_value(read: Read, text: bytes) -> None:
    assert read(make_tiff(relief("uint16"), {GDAL_NODATA: text + b"\0"})).valid is None


def test_a_thumbnail_first_is_passed_over(read: Read) -> None:
    values = relief("uint16")
    small = values[:40:2, :64:2]
    same(read(make_tiff(values, first=[(small, {SUBFILE: [1]})])), values)
    assert read_header(make_tiff(values, first=[(small, {SUBFILE: [1]})]))[:3] == ("TIFF", 70, 45)


def test_overviews_after_the_image_do_not_matter(read: Read) -> None:
    values = relief("uint16")
    same(read(make_tiff(values[::2, ::2], {SUBFILE: [1]}, first=[(values, {})])), values)


def test_a_small_first_image_that_nothing_marks_is_refused(read: Read) -> None:
    values = relief("uint16")
    with pytest.raises(InputError, match=r"first image, 35x40 px, is not its largest, 70x45 px"):
        read(make_tiff(values, first=[(values[:40, ::2], {})]))


def test_a_file_of_thumbnails_alone_is_refused(read: Read) -> None:
    with pytest.raises(InputError, match="a TIFF of reduced images alone"):
        read(make_tiff(relief("uint8"), {SUBFILE: [1]}))


def test_palettes_become_colours(read: Read) -> None:
    index = relief("uint8")
    red, green, blue = (np.roll(np.arange(256), shift) for shift in (0, 40, 90))
    table = np.concatenate([red, green, blue]) * 257
    image = read(make_tiff(index, {PHOTOMETRIC: [3], COLOUR_MAP: table.tolist()}))
    same(image, np.stack([blue[index], green[index], red[index]], axis=2).astype(np.uint8))


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
def test_packed_bits_are_unpacked(read: Read, bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 1 << bits, (45, 70))
    each = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    rows = np.packbits(each.reshape(45, -1).astype(np.uint8), axis=1)
    content = make_tiff(rows, {256: [70], 258: [bits]})
    image = read(content)
    scaled = values * 255 // ((1 << bits) - 1) if bits < 8 else values
    same(image, scaled.astype(np.uint8 if bits < 8 else np.uint16))
    inverted = read(make_tiff(rows, {256: [70], 258: [bits], PHOTOMETRIC: [0]}))
    assert np.corrcoef(inverted.pixels.ravel(), image.pixels.ravel())[0, 1] < -0.99


def test_bits_in_reverse_order_are_turned(read: Read) -> None:
    values = relief("uint16")
    mirrored = np.packbits(
        np.unpackbits(values.view(np.uint8).reshape(45, 140, 1), axis=2)[..., ::-1], axis=2
    )[..., 0]
    same(read(make_tiff(mirrored.view(np.uint16), {FILL_ORDER: [2]}, deflate=False)), values)


@pytest.mark.parametrize("number", [1, 5, 7, 8, 32773])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_opencv_compresses_is_read(read: Read, number: int, channels: int) -> None:
    values = relief("uint8", channels)
    parameters = (cv2.IMWRITE_TIFF_COMPRESSION, number, 278, 16)  # rows of a strip, for JPEG
    content = encode(values, ".tif", *parameters)
    image = read(content)
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert decoded is not None
    same(image, decoded)
    if number != 7:
        same(image, values)
