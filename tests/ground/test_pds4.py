"""PDS4 images: types, axes, offsets, constants, scales, several files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_ground import open_planetary
from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window

from .planetary_files import Array, ground, write_pds4

TYPES = [
    ("u1", "UnsignedByte"),
    ("i1", "SignedByte"),
    *((f"{o}{k}{n}", f"{s}{e}{n}") for o, e in (("<", "LSB"), (">", "MSB"))
      for k, s in (("u", "Unsigned"), ("i", "Signed")) for n in (2, 4, 8)),
    *((f"{o}f{n}", f"IEEE754{e}{s}") for o, e in (("<", "LSB"), (">", "MSB"))
      for n, s in ((4, "Single"), (8, "Double"))),
]  # fmt: skip


def whole(path: Path, band: int | None = None) -> tuple[Array, Array]:
    image = open_planetary(path, band)
    return image.read(Window(0, 0, *image.size))


@pytest.mark.parametrize("offset", [0, 77])
@pytest.mark.parametrize(("kind", "name"), TYPES)
def test_every_type_is_read_as_it_was_written(
    tmp_path: Path, kind: str, name: str, offset: int
) -> None:
    truth = (ground() // (2 if kind == "i1" else 1)).astype(kind)
    values, valid = whole(write_pds4(tmp_path / "a.xml", truth, name, offset=offset))
    assert np.array_equal(values, truth)
    assert values.dtype.isnative
    assert valid.all()


@pytest.mark.parametrize(
    "axes", [("Band", "Line", "Sample"), ("Line", "Band", "Sample"), ("Line", "Sample", "Band")]
)
def test_axes_are_told_by_their_names(tmp_path: Path, axes: tuple[str, str, str]) -> None:
    truth = np.stack([ground(seed=seed) for seed in range(3)]).astype("<i2")
    place = {"Band": 0, "Line": 1, "Sample": 2}
    stored = truth.transpose([place[axis] for axis in axes])
    path = write_pds4(tmp_path / "a.xml", stored, "SignedLSB2", axes=axes)
    assert np.array_equal(whole(path, 2)[0], truth[1])


@pytest.mark.parametrize(
    ("kind", "name", "special", "stored"),
    [
        ("<i2", "SignedLSB2", {"missing_constant": -9999}, [-9999]),
        ("<i2", "SignedLSB2", {"missing_constant": "0x8000", "invalid_constant": 5}, [-32768, 5]),
        (">u2", "UnsignedMSB2", {"saturated_constant": "65535", "error_constant": 0}, [65535, 0]),
        (">u2", "UnsignedMSB2", {"valid_minimum": 1, "valid_maximum": 4095}, [0, 4096]),
        ("<f4", "IEEE754LSBSingle", {"missing_constant": "16#C61C3C00#"}, [-9999]),
        ("<f4", "IEEE754LSBSingle", {"not_applicable_constant": "-1E32"}, [-1e32]),
        (">f8", "IEEE754MSBDouble", {"unknown_constant": "0xC0C3878000000000"}, [-9999]),
        ("u1", "UnsignedByte", {"high_instrument_saturation": "255"}, [255]),
    ],
)
def test_every_form_of_constant_is_invalid(
    tmp_path: Path, kind: str, name: str, special: dict[str, Any], stored: list[float]
) -> None:
    truth = ground().astype(kind)
    truth[4, 6 : 6 + len(stored)] = stored
    _, valid = whole(write_pds4(tmp_path / "a.xml", truth, name, special=special))
    expected = np.ones(truth.shape, bool)
    expected[4, 6 : 6 + len(stored)] = False
    assert np.array_equal(valid, expected)


def test_a_hexadecimal_null_leaves_true_zeros(tmp_path: Path) -> None:
    truth = ground().astype("<f4")
    truth[0, 0] = np.array(0xFF7FFFFB, np.uint32).view(np.float32)
    truth[0, 1] = 0
    special = {"missing_constant": "0xFF7FFFFB"}
    _, valid = whole(write_pds4(tmp_path / "a.xml", truth, "IEEE754LSBSingle", special=special))
    assert not valid[0, 0]
    assert valid.sum() == valid.size - 1


def test_scale_and_offset_are_applied_behind_the_constants(tmp_path: Path) -> None:
    truth = ground().astype(">i2")
    truth[1, 1] = -32768
    path = write_pds4(
        tmp_path / "a.xml",
        truth,
        "SignedMSB2",
        special={"missing_constant": -32768},
        scaling={"scaling_factor": 0.5, "value_offset": 100},
    )
    values, valid = whole(path)
    assert np.array_equal(values[valid], truth[valid] * 0.5 + 100)
    assert valid.sum() == valid.size - 1


def test_the_image_among_several_files_is_found(tmp_path: Path) -> None:
    more = """<File_Area_Observational><File><file_name>t.tab</file_name></File>
<Table_Binary/></File_Area_Observational><File_Area_Observational>
<File><file_name>q.img</file_name></File><Array_2D><local_identifier>quality</local_identifier>
</Array_2D></File_Area_Observational>"""
    truth = ground().astype("u1")
    assert np.array_equal(
        whole(write_pds4(tmp_path / "a.xml", truth, "UnsignedByte", more=more))[0], truth
    )
    more = more.replace("Array_2D>", "Array_2D_Image>")
    path = write_pds4(tmp_path / "a.xml", truth, "UnsignedByte", more=more)
    with pytest.raises(InputError, match=r"the label has 2 images \(image, quality\)"):
        open_planetary(path)


def test_pixels_are_given_by_their_own_file_too(tmp_path: Path) -> None:
    truth = ground().astype("u1")
    path = write_pds4(tmp_path / "a.xml", truth, "UnsignedByte")
    image = open_planetary(tmp_path / "a.img")
    assert np.array_equal(image.read(Window(0, 0, 64, 48))[0], truth)
    assert image.files == (path, tmp_path / "a.img")


def test_maps_and_mirrored_images_are_told(tmp_path: Path) -> None:
    discipline = """<disp:Display_Settings><disp:Display_Direction>
<disp:horizontal_display_direction>Left to Right</disp:horizontal_display_direction>
<disp:vertical_display_direction>Bottom to Top</disp:vertical_display_direction>
</disp:Display_Direction></disp:Display_Settings>
<cart:Cartography><cart:Map_Projection>
<cart:map_projection_name>Polar Stereographic</cart:map_projection_name>
</cart:Map_Projection>
<cart:longitude_direction>Positive West</cart:longitude_direction></cart:Cartography>"""
    path = write_pds4(
        tmp_path / "a.xml", ground().astype("u1"), "UnsignedByte", discipline=discipline
    )
    mirrored, mapped = open_planetary(path).notes
    assert mirrored.startswith("is stored bottom to top")
    assert mapped.startswith("is map-projected (polar stereographic, longitudes growing westwards)")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("UnsignedByte", "ComplexLSB8", "not supported: samples of type ComplexLSB8"),
        (">48<", ">49<", "truncated or the label is another file's"),
        (">48<", ">-48<", "elements = -48 cannot be"),
        (">48<", ">1e30<", "elements = 1e30 cannot be"),
        ('byte">0<', 'byte">9999999<', "truncated or the label is another file's"),
        ("a.img", "../a.img", "put the file beside the label"),
        ("Last Index", "First Index", "axis_index_order must be Last Index Fastest"),
        ("<data_type>", "<datatype>", "the label is no XML"),
        ("Element_Array", "Elements", "Array_2D_Image has no Element_Array"),
        ("Array_2D_Image", "Encoded_Image", "an encoded image; give its own file"),
        ("Array_2D_Image", "Table_Binary", "no array of two or three axes"),
        (">Line<", ">Sample<", "ok"),  # both of one name: taken by their order
        ("<Product", "<!DOCTYPE a [<!ENTITY b 'c'>]><Product", "has a document type"),
    ],
)
def test_a_label_that_cannot_be_used_says_why(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    path = write_pds4(tmp_path / "a.xml", ground().astype("u1"), "UnsignedByte")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    if error == "ok":
        assert whole(path)[0].shape == (48, 64)
        return
    with pytest.raises(InputError, match=error):
        open_planetary(path)
