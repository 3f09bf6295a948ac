"""PDS3 images and qubes: types, layouts, bytes around lines, constants, scales."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_ground import open_planetary
from lunar_ground.planetary.sample_types import vax_real
from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window

from .planetary_files import Array, ground, write_pds3, write_qube

TYPES = [
    ("u1", "UNSIGNED_INTEGER"),
    ("u1", "LSB_INTEGER"),  # raw LROC images: levels up to 255
    (">i2", "MSB_INTEGER"),
    (">i2", "INTEGER"),
    (">i2", "SUN_INTEGER"),
    ("<i2", "LSB_INTEGER"),
    ("<i2", "PC_INTEGER"),
    (">u2", "MSB_UNSIGNED_INTEGER"),
    ("<u2", "LSB_UNSIGNED_INTEGER"),
    ("<u2", "VAX_UNSIGNED_INTEGER"),
    (">i4", "MSB_INTEGER"),
    ("<u4", "PC_UNSIGNED_INTEGER"),
    (">f4", "IEEE_REAL"),
    (">f4", "MAC_REAL"),
    ("<f4", "PC_REAL"),
    (">f8", "IEEE_REAL"),
    ("<f8", "PC_REAL"),
]


def whole(path: Path, band: int | None = None) -> tuple[Array, Array]:
    image = open_planetary(path, band)
    return image.read(Window(0, 0, *image.size))


@pytest.mark.parametrize("detached", [False, True], ids=["attached", "detached"])
@pytest.mark.parametrize(("kind", "name"), TYPES)
def test_every_type_is_read_as_it_was_written(
    tmp_path: Path, kind: str, name: str, detached: bool
) -> None:
    truth = ground().astype(kind)
    values, valid = whole(write_pds3(tmp_path / "A.IMG", truth, name, detached=detached))
    assert np.array_equal(values, truth)
    assert values.dtype.isnative
    assert valid.all()


@pytest.mark.parametrize(("prefix", "suffix"), [(7, 0), (0, 5), (3, 2)])
def test_bytes_around_lines_are_no_pixels(tmp_path: Path, prefix: int, suffix: int) -> None:
    truth = ground().astype(">i2")
    path = write_pds3(tmp_path / "A.IMG", truth, "MSB_INTEGER", prefix=prefix, suffix=suffix)
    assert np.array_equal(whole(path)[0], truth)


@pytest.mark.parametrize("storage", ["BAND_SEQUENTIAL", "LINE_INTERLEAVED", "SAMPLE_INTERLEAVED"])
def test_bands_are_told_apart_however_they_are_stored(tmp_path: Path, storage: str) -> None:
    truth = np.stack([ground(seed=seed) for seed in range(3)]).astype("<i2")
    path = write_pds3(tmp_path / "A.IMG", truth, "LSB_INTEGER", storage=storage)
    for band in (1, 2, 3):
        assert np.array_equal(whole(path, band)[0], truth[band - 1])
    with pytest.raises(InputError, match="has 3 bands"):
        open_planetary(path)


@pytest.mark.parametrize(
    ("kind", "name", "keywords", "stored"),
    [
        ("<i2", "LSB_INTEGER", {"MISSING_CONSTANT": -9999}, [-9999]),
        ("<i2", "LSB_INTEGER", {"INVALID_CONSTANT": "(-1, -2, -3)"}, [-1, -2, -3]),
        ("<i2", "LSB_INTEGER", {"CORE_NULL": "16#8000#"}, [-32768]),
        (">i2", "MSB_INTEGER", {"NULL": -32768, "HIGH_REPR_SATURATION": 999}, [-32768, 999]),
        (">i2", "MSB_INTEGER", {"INVALID_VALUE": "(-20000, -21000)"}, [-20000, -21000]),
        (">i2", "MSB_INTEGER", {"OUT_OF_IMAGE_BOUNDS_VALUE": -30000}, [-30000]),
        ("<i2", "LSB_INTEGER", {"VALID_MINIMUM": 1, "VALID_MAXIMUM": 300}, [0, 301]),
        ("u1", "UNSIGNED_INTEGER", {"MISSING_CONSTANT": '"16#FF#"'}, [255]),
        ("<f4", "PC_REAL", {"MISSING_CONSTANT": "-1.0E32"}, [-1e32]),
        (">f4", "IEEE_REAL", {"MISSING_CONSTANT": "16#C61C3C00#"}, [-9999.0]),
        ("<f8", "PC_REAL", {"MISSING_CONSTANT": "16#C0C3878000000000#"}, [-9999.0]),
        (">f4", "IEEE_REAL", {"CORE_NULL": 0, "CORE_HIGH_REPR_SATURATION": 65535}, [0, 65535]),
    ],
)
def test_every_form_of_constant_is_invalid(
    tmp_path: Path, kind: str, name: str, keywords: dict[str, Any], stored: list[float]
) -> None:
    truth = ground().astype(kind)
    truth[4, 6 : 6 + len(stored)] = stored
    _, valid = whole(write_pds3(tmp_path / "A.IMG", truth, name, image=keywords))
    expected = np.ones(truth.shape, bool)
    expected[4, 6 : 6 + len(stored)] = False
    assert np.array_equal(valid, expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_hexadecimal_nulls_of_reals_are_bit_patterns(tmp_path: Path, order: str) -> None:
    names = ("NULL", "LOW_REPR_SATURATION", "LOW_INSTR_SATURATION", "HIGH_INSTR_SATURATION")
    bits = range(0xFF7FFFFB, 0xFF7FFFFF)
    keywords = {f"CORE_{name}": f"16#{b:X}#" for name, b in zip(names, bits, strict=True)}
    truth = ground().astype(f"{order}f4")
    truth[0, :4] = np.array(bits, np.uint32).view(np.float32)
    truth[1, 0] = 0  # the value that a constant read wrongly would have
    name = "PC_REAL" if order == "<" else "IEEE_REAL"
    _, valid = whole(write_pds3(tmp_path / "A.IMG", truth, name, image=keywords))
    assert not valid[0, :4].any()
    assert valid.sum() == valid.size - 4


def test_what_means_none_is_no_constant(tmp_path: Path) -> None:
    keywords = {"MISSING_CONSTANT": '"N/A"', "CORE_NULL": "UNK", "SCALING_FACTOR": '"N/A"'}
    path = write_pds3(tmp_path / "A.IMG", ground().astype("u1"), "UNSIGNED_INTEGER", image=keywords)
    assert whole(path)[1].all()


def test_scale_and_offset_are_applied_behind_the_constants(tmp_path: Path) -> None:
    keywords = {"SCALING_FACTOR": 0.5, "OFFSET": -10, "MISSING_CONSTANT": 77}
    truth = ground().astype("<i2")
    truth[truth == 77] = 78
    truth[1, 1] = 77
    truth[1, 2] = -32768  # ISIS' null, which the label does not name
    values, valid = whole(write_pds3(tmp_path / "A.IMG", truth, "LSB_INTEGER", image=keywords))
    assert np.array_equal(values[valid], truth[valid] * 0.5 - 10)
    assert not valid[1, 1:3].any()
    assert valid.sum() == valid.size - 2


@pytest.mark.parametrize(
    ("pointer", "detached"),
    [('"a.img"', True), ('("A.IMG")', True), ('("A.IMG", 1 <BYTES>)', True), ("33", False)],
)
def test_a_pointer_may_name_a_file_a_record_or_a_byte(
    tmp_path: Path, pointer: str, detached: bool
) -> None:
    truth = ground().astype("u1")
    path = write_pds3(
        tmp_path / "A.IMG", truth, "UNSIGNED_INTEGER", detached=detached, pointer=pointer
    )
    assert np.array_equal(whole(path)[0], truth)


def test_a_pointer_in_bytes_counts_from_1(tmp_path: Path) -> None:
    truth = ground().astype("u1")
    path = write_pds3(tmp_path / "A.IMG", truth, "UNSIGNED_INTEGER", pointer="2049 <BYTES>")
    assert np.array_equal(whole(path)[0], truth)


def test_an_image_inside_an_uncompressed_file_is_found(tmp_path: Path) -> None:
    truth = ground().astype("u1")
    label = write_pds3(tmp_path / "A.IMG", truth, "UNSIGNED_INTEGER", detached=True)
    text = label.read_text().replace('^IMAGE = ("A.IMG", 1)', "")
    text = text.replace(
        "OBJECT = IMAGE\n", 'OBJECT = UNCOMPRESSED_FILE\n^IMAGE = "A.IMG"\nOBJECT = IMAGE\n', 1
    ).replace("END_OBJECT = IMAGE\n", "END_OBJECT = IMAGE\nEND_OBJECT = UNCOMPRESSED_FILE\n")
    label.write_text(text)
    assert np.array_equal(whole(label)[0], truth)


@pytest.mark.parametrize("axes", list(itertools.permutations(("SAMPLE", "LINE", "BAND"))))
@pytest.mark.parametrize("suffixes", [(0, 0, 0), (1, 0, 0), (2, 1, 3)])
def test_qubes_are_read_whatever_the_order_of_their_axes(
    tmp_path: Path, axes: tuple[str, str, str], suffixes: tuple[int, int, int]
) -> None:
    truth = np.stack([ground(40, 33, seed) for seed in range(2)]).astype(">i2")
    more = {"CORE_NULL": -32768, "CORE_BASE": 1.0, "CORE_MULTIPLIER": 2.0}
    truth[1, 0, 0] = -32768
    path = write_qube(tmp_path / "A.QUB", truth, "MSB_INTEGER", axes, suffixes, more)
    values, valid = whole(path, 2)
    assert np.array_equal(values[valid], truth[1][valid] * 2.0 + 1.0)
    assert not valid[0, 0]
    assert valid.sum() == valid.size - 1


def test_vax_reals_are_the_numbers_of_the_vax_manual() -> None:
    # VAX Architecture Reference Manual: words with the most significant first. 1.0 is exponent 129.
    f = np.array([[0x4080, 0], [0xC080, 0], [0x4180, 0], [0x4000, 0], [0, 0], [0x8000, 0]], "<u2")
    numbers = vax_real(4).numbers(f.reshape(-1).view("<u4"))
    assert np.array_equal(numbers, np.array([1, -1, 4, 0.5, 0, np.nan], np.float32), equal_nan=True)
    d = np.array([[0x4080, 0, 0, 0], [0xC200, 0, 0, 0], [0x4080, 0, 0, 1]], "<u2")
    doubles = vax_real(8).numbers(d.reshape(-1).view("<u8"))
    assert np.array_equal(doubles, [1, -8, 1 + 2.0**-55])


def test_vax_images_are_read(tmp_path: Path) -> None:
    truth = ground()
    raw = (truth * 0.25).astype(np.float32).view(np.uint32) + np.uint32(2 << 23)  # a VAX's bias
    words = ((raw >> 16) | (raw << 16)).astype("<u4")
    keywords = {"MISSING_CONSTANT": "16#FFFEFFFF#"}
    words[3, 3] = 0xFFFFFFFE  # the same pattern, its words as a VAX stores them
    path = write_pds3(tmp_path / "A.IMG", words, "VAX_REAL", image=keywords)
    values, valid = whole(path)
    assert np.array_equal(values[valid], truth[valid] * 0.25)
    assert not valid[3, 3]
    assert valid.sum() == valid.size - 1


def test_maps_and_mirrored_images_are_told(tmp_path: Path) -> None:
    projection = """OBJECT = IMAGE_MAP_PROJECTION
MAP_PROJECTION_TYPE = "SIMPLE CYLINDRICAL"
POSITIVE_LONGITUDE_DIRECTION = WEST
END_OBJECT = IMAGE_MAP_PROJECTION"""
    path = write_pds3(
        tmp_path / "A.IMG",
        ground().astype("u1"),
        "UNSIGNED_INTEGER",
        image={"LINE_DISPLAY_DIRECTION": "UP"},
        more=projection,
    )
    first, second = open_planetary(path).notes
    assert first.startswith("is map-projected (simple cylindrical, longitudes growing westwards)")
    assert second.startswith("is stored bottom to top")


@pytest.mark.parametrize(
    ("keywords", "error"),
    [
        ({"ENCODING_TYPE": '"CLEM-JPEG-1"'}, "not supported: pixels compressed by CLEM-JPEG-1"),
        ({"SAMPLE_BITS": 12}, "not supported: samples of type UNSIGNED_INTEGER with 12 bits"),
        ({"SAMPLE_TYPE": "IBM_REAL"}, "not supported: samples of type IBM_REAL"),
        ({"LINES": 49}, "truncated or the label is another file's"),
        ({"LINES": 0}, "LINES = 0 cannot be"),
        ({"LINES": "16#FFFFFFFFFFFFFFFF#"}, "LINES = 16#FFFFFFFFFFFFFFFF# cannot be"),
        ({"LINES": "many"}, "'many' is no number"),
        ({"LINE_SAMPLES": '"N/A"'}, "IMAGE has no LINE_SAMPLES"),
        ({"MISSING_CONSTANT": "none of it"}, "the label cannot be read|is no number"),
        ({"SCALING_FACTOR": "1e999"}, "scale inf with offset 0 cannot be"),
        ({"LINE_SUFFIX_BYTES": -4}, "LINE_SUFFIX_BYTES = -4 cannot be"),
    ],
)
def test_an_image_that_cannot_be_read_says_why(
    tmp_path: Path, keywords: dict[str, Any], error: str
) -> None:
    path = write_pds3(tmp_path / "A.IMG", ground().astype("u1"), "UNSIGNED_INTEGER", image=keywords)
    with pytest.raises(InputError, match=error):
        open_planetary(path)


@pytest.mark.parametrize(
    ("pointer", "error"),
    [
        ('"../secret.img"', "put the file beside the label"),
        ('"/etc/passwd"', "put the file beside the label"),
        ('"B.IMG"', "B.IMG is not beside it"),
        ('"A.JP2"', "not supported: pixels in A.JP2; give that file"),
        ('("A.IMG", 0)', "IMAGE = 0 cannot be"),
        ('("A.IMG", -3 <BYTES>)', "IMAGE = -3 cannot be"),
        ('("A.IMG", 99999999)', "truncated or the label is another file's"),
        ('("A.IMG", "x", 3)', "IMAGE cannot be understood"),
    ],
)
def test_a_pointer_that_leads_nowhere_says_so(tmp_path: Path, pointer: str, error: str) -> None:
    label = write_pds3(
        tmp_path / "A.IMG",
        ground().astype("u1"),
        "UNSIGNED_INTEGER",
        detached=True,
        pointer=pointer,
    )
    with pytest.raises(InputError, match=error):
        open_planetary(label)
