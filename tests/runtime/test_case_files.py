"""Shared cases of files: what is read is what the file says, or it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import GreyImage, grey_from_array, read_image
from lunar_runtime.files.pair_lists import read_pairs
from lunar_runtime.geometry.rig_file import read_rig
from numpy.typing import NDArray

from .cases import case, frame

SIDES = [("L", 576, 432), ("R", 577, 433)]


def nadir(number: int) -> NDArray[np.uint16]:
    """What the 16-bit cases are made of."""
    image = frame("Nadir_baseline_sample/paire2", number)[180:340, 180:340]
    return image.astype(np.uint16) * 8 + 100


def near(image: GreyImage, other: GreyImage) -> None:
    """The same grey levels where both are valid, but for the rounding of two stretches."""
    valid = np.ones(image.pixels.shape, bool) if image.valid is None else image.valid
    difference = image.pixels.astype(int) - other.pixels.astype(int)
    assert np.abs(difference[valid]).max() <= 1


@pytest.mark.parametrize(("side", "number", "_"), SIDES)
def test_c08_special_pixels_are_masked(side: str, number: int, _: int) -> None:
    image = read_image(case(f"nodata16_{side}.tif"))
    assert image.valid is not None
    assert np.count_nonzero(~image.valid) == 70
    assert len(np.unique(image.pixels)) > 150  # six before
    near(image, grey_from_array(nadir(number)))


@pytest.mark.parametrize("value", [-3.4028234663852886e38, -9999.0])
def test_c08_wedges_of_two_constants_are_masked(value: float) -> None:
    values = nadir(576).astype(np.float32)
    wedge = np.tri(160, dtype=bool)[::-1][:, ::-1] & (np.arange(160) < 60)
    values[wedge] = value
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~wedge)


def test_c08_65535_is_masked() -> None:
    values = nadir(576)
    values.ravel()[::80] = 65535
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, values != 65535)


@pytest.mark.parametrize(("side", "_", "number"), SIDES)
def test_c09_the_orientation_tag_turns_nothing(side: str, _: int, number: int) -> None:
    image = read_image(case(f"orient3_{side}.tif"))
    expected = frame("Oblique_baseline_sample/paire1", number)[96:416, 96:416]
    np.testing.assert_array_equal(image.pixels, expected)


@pytest.mark.parametrize(("side", "number", "_"), SIDES)
def test_c10_planes_of_16_bits_are_one_picture(side: str, number: int, _: int) -> None:
    image = read_image(case(f"planar16_{side}.tif"))
    assert (image.dtype, image.channels) == ("uint16", 3)
    near(image, grey_from_array(nadir(number)))


def test_c22_a_big_endian_colour_array_is_read_as_a_native_one() -> None:
    values = np.stack([nadir(576)] * 3, axis=2)
    near(grey_from_array(values.astype(">u2")), grey_from_array(values))


@pytest.mark.parametrize("kind", ["alpha", "np.ma", "NaN"])
def test_c15_what_is_marked_invalid_is_masked(kind: str) -> None:
    values = nadir(576)
    wedge = np.tri(160, dtype=bool)
    given: NDArray[np.generic] = {
        "alpha": lambda: np.dstack([values, values, values, (~wedge).astype(np.uint16)]),
        "np.ma": lambda: np.ma.masked_array(values, wedge),  # type: ignore[no-untyped-call]
        "NaN": lambda: np.where(wedge, np.nan, values).astype(np.float32),
    }[kind]()
    image = grey_from_array(given)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~wedge)


def test_c02_names_pair_left_with_right_or_fail(tmp_path: Path) -> None:
    for name in ("left_000", "left_001", "right_000", "right_001"):
        (tmp_path / f"{name}.png").touch()
    assert [(p.left.stem, p.right.stem) for p in read_pairs(tmp_path)] == [
        ("left_000", "right_000"),
        ("left_001", "right_001"),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("im_0", "im_0_mask"),
        ("f_000", "f_002", "f_003", "f_005"),
        ("f_000", "f_001", "f_003", "f_004"),
    ],
)
def test_c02_names_that_do_not_pair_fail(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / f"{name}.png").touch()
    with pytest.raises(InputError, match="list the pairs in a CSV file"):
        read_pairs(tmp_path)


def test_c29_a_row_cannot_leave_the_folder_of_results(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("left,right,out\na.png,b.png,../..\n")
    with pytest.raises(InputError, match=r"line 2: out '../..' leaves the folder of all results"):
        read_pairs(tmp_path / "pairs.csv")


def test_c30_a_rig_with_windows_mark_is_read(tmp_path: Path) -> None:
    rig = {"left": {"intrinsics": [500, 500, 256, 256]}}
    (tmp_path / "rig.json").write_text(json.dumps(rig), encoding="utf-8-sig")
    left = read_rig(tmp_path / "rig.json").left
    assert left is not None
    assert left.fx == 500
