"""ISIS cubes: every type and layout, the special pixels, base and multiplier."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lunar_ground import open_planetary
from lunar_runtime.errors import InputError
from lunar_runtime.files.window import Window

from .planetary_files import Array, ground, write_isis

TYPES = ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">u4", "<i4", ">i4"]
TYPES += ["<f4", ">f4", "<f8", ">f8"]
#: NULL, LRS, LIS, HIS, HRS of the pages on special pixels; bits of the reals.
SPECIAL: dict[str, Array] = {
    "u1": np.array([0, 255], "u1"),
    "<u2": np.array([0, 1, 2, 65534, 65535], "<u2"),
    ">i2": np.array([-32768, -32767, -32766, -32765, -32764], ">i2"),
    "<u4": np.array([0, 1, 2, 4294967294, 4294967295], "<u4"),
    "<i4": np.array([-8388613, -8388612, -8388611, -8388610, -8388609], "<i4"),
    ">f4": np.arange(0xFF7FFFFB, 0xFF800000, dtype=">u4").view(">f4"),
    "<f8": np.arange(0xFFEFFFFFFFFFFFFB, 0xFFF0000000000000, dtype="<u8").view("<f8"),
}


def whole(path: Path) -> tuple[Array, Array]:
    image = open_planetary(path)
    return image.read(Window(0, 0, *image.size))


@pytest.mark.parametrize("tile", [None, (20, 30), (64, 128)], ids=["lines", "tiles", "one tile"])
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_and_layout_is_read_as_it_was_written(
    tmp_path: Path, kind: str, tile: tuple[int, int] | None
) -> None:
    scale = 2 if kind == "i1" else 1  # levels end at 200
    truth = (ground() // scale).astype(kind)
    values, valid = whole(write_isis(tmp_path / "a.cub", truth, tile=tile))
    assert np.array_equal(values, truth)
    assert values.dtype.isnative
    assert valid.all()


@pytest.mark.parametrize("kind", SPECIAL)
def test_every_special_pixel_is_invalid_and_its_neighbours_are_not(
    tmp_path: Path, kind: str
) -> None:
    truth = ground().astype(kind)
    special = SPECIAL[kind]
    truth[3, 5 : 5 + len(special)] = special
    _, valid = whole(write_isis(tmp_path / "a.cub", truth))
    expected = np.ones(truth.shape, bool)
    expected[3, 5 : 5 + len(special)] = False
    assert np.array_equal(valid, expected)


def test_special_pixels_are_told_before_base_and_multiplier(tmp_path: Path) -> None:
    truth = ground().astype("<i2")
    truth[2, 2] = -32768
    path = write_isis(tmp_path / "a.cub", truth, base=-3.5, multiplier=0.25)
    values, valid = whole(path)
    assert values.dtype == np.float32
    assert np.array_equal(values[valid], (truth[valid] * 0.25 - 3.5).astype(np.float32))
    assert not valid[2, 2]
    assert valid.sum() == valid.size - 1


def test_a_detached_label_is_read_and_so_is_its_cube(tmp_path: Path) -> None:
    truth = ground().astype("<f4")
    label = write_isis(tmp_path / "a.cub", truth, detached="A.lbl")
    assert np.array_equal(whole(label)[0], truth)
    label.rename(tmp_path / "a.lbl")  # now of the cube's name
    assert np.array_equal(whole(tmp_path / "a.cub")[0], truth)
    assert open_planetary(tmp_path / "a.lbl").files == (tmp_path / "a.lbl", tmp_path / "a.cub")


def test_a_band_is_named_or_its_cube_refused(tmp_path: Path) -> None:
    truth = np.stack([ground(seed=seed) for seed in range(3)]).astype("<i2")
    for tile in (None, (20, 30)):
        path = write_isis(tmp_path / "a.cub", truth, tile=tile)
        image = open_planetary(path, 3)
        assert np.array_equal(image.read(Window(0, 0, 64, 48))[0], truth[2])
        with pytest.raises(InputError, match=r"has 3 bands; name one .* as a\.cub\+1"):
            open_planetary(path)
        with pytest.raises(InputError, match="has no band 4; its bands are 1 to 3"):
            open_planetary(path, 4)


def test_a_map_is_told_with_its_direction_of_longitudes(tmp_path: Path) -> None:
    mapping = """  Group = Mapping
    ProjectionName = Equirectangular
    LongitudeDirection = PositiveWest
  End_Group"""
    image = open_planetary(write_isis(tmp_path / "a.cub", ground().astype("u1"), more=mapping))
    (note,) = image.notes
    assert note.startswith("is map-projected (equirectangular, longitudes growing westwards)")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("SignedWord", "Complex", "not supported: Type = COMPLEX"),
        ("BandSequential", "GTiff", "not supported: Format = GTIFF"),
        ("Lsb", "Middle", "ByteOrder = MIDDLE; it must be Lsb or Msb"),
        ("Samples = 64", "Samples = 65", "truncated or the label is another file's"),
        ("Samples = 64", "Samples = -64", "SAMPLES = -64 cannot be"),
        ("Samples = 64", "Samples = 1e300", "SAMPLES = 1e300 cannot be"),
        ("Samples = 64", "Samples = 6.5", "SAMPLES = 6.5 is no whole number"),
        ("Multiplier = 1.0", "Multiplier = 0", "scale 0 with offset 0 cannot be"),
        ("StartByte   = 4097", "StartByte   = 0", "STARTBYTE = 0 cannot be"),
        ("Group = Pixels", "Group = Pixel", "the label cannot be read|has no PIXELS"),
        ("StartByte", "^DnFile = other.cub\n StartByte", "external cube; give other.cub itself"),
    ],
)
def test_a_cube_that_cannot_be_read_says_why(
    tmp_path: Path, old: str, new: str, error: str
) -> None:
    path = write_isis(tmp_path / "a.cub", ground().astype("<i2"))
    data = path.read_bytes()
    assert old.encode() in data[:4096]
    label = data[:4096].replace(old.encode(), new.encode()).rstrip(b"\0").ljust(4096, b"\0")
    path.write_bytes(label + data[4096:])
    with pytest.raises(InputError, match=error) as raised:
        open_planetary(path)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)
