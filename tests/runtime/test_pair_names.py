"""Pairs are what the names say, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.pair_lists import list_images, read_pairs

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def pairs(folder: Path) -> list[str]:
    return [
        f"{pair.left.relative_to(folder)} {pair.right.relative_to(folder)}"
        for pair in read_pairs(folder)
    ]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "left_000.png left_001.png right_000.png right_001.png",
            ["left_000.png right_000.png", "left_001.png right_001.png"],
        ),
        ("a_R.tif a_L.tif b_R.tif b_L.tif", ["a_L.tif a_R.tif", "b_L.tif b_R.tif"]),
        ("L9.png L10.png R9.png R10.png", ["L9.png R9.png", "L10.png R10.png"]),
        ("left.png right.png", ["left.png right.png"]),
        ("x_leftImg8bit.png x_rightImg8bit.png", ["x_leftImg8bit.png x_rightImg8bit.png"]),
        ("bright_l_2.png bright_r_2.png", ["bright_l_2.png bright_r_2.png"]),
        ("LEFT_1.jpg RIGHT_1.jpg", ["LEFT_1.jpg RIGHT_1.jpg"]),
        ("left_1.png right_1.tif", ["left_1.png right_1.tif"]),
        ("im_1.png im_2.png im_9.png im_10.png", ["im_1.png im_2.png", "im_9.png im_10.png"]),
        ("im_0.png im_1.png", ["im_0.png im_1.png"]),
        ("cam2_7.png cam2_8.png", ["cam2_7.png cam2_8.png"]),
        (
            "left/a.png left/b.png right/a.png right/b.png",
            ["left/a.png right/a.png", "left/b.png right/b.png"],
        ),
        (
            "left/left_1.png left/left_2.png right/right_1.png right/right_2.png",
            ["left/left_1.png right/right_1.png", "left/left_2.png right/right_2.png"],
        ),
        (
            "left/9.png left/10.png right/19.png right/20.png",
            ["left/9.png right/19.png", "left/10.png right/20.png"],
        ),
        ("left/day.png right/night.png", ["left/day.png right/night.png"]),
        ("im_0.png im_1.png notes.txt .im_2.png", ["im_0.png im_1.png"]),
    ],
)
def test_names_that_say_their_pairs(folder: Folder, names: str, expected: list[str]) -> None:
    place = folder(*names.split())
    assert pairs(place) == expected


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("im_0.png im_0_mask.png", "im_0.png and im_0_mask.png are not of one numbered sequence"),
        ("a.png b.png", "a.png and b.png are not of one numbered sequence"),
        ("im_0.png im_0.tif", "differ in 0 numbers"),
        ("x1_1.png x2_2.png", "differ in 2 numbers"),
        ("f_000.png f_002.png f_003.png f_005.png", "f_000.png and f_002.png would be a pair, but"),
        ("f_000.png f_001.png f_003.png f_004.png", "an image seems to be missing between them"),
        ("f_1.png f_3.png", "their numbers are not two in a row"),
        ("1.png 2.png 3.png", "3 images, an odd number"),
        ("left_0.png left_1.png", "no right image for left_0.png"),
        ("left_0.png right_0.png right_1.png", "no left image for right_1.png"),
        ("left_0.png right_1.png", "no right image for left_0.png"),
        ("left_0.png right_0.png left_0_mask.png right_0_mask.jpg x.png", "x.png does not"),
        ("left_0.png right_0.png right_0.tif", "right_0.png and right_0.tif are both a right"),
        ("left_0.png left_0.tif right_0.png", "no right image for left_0.tif"),
        ("left_right_0.png left_right_1.png", "names a side twice"),
        ("left/1.png left/2.png right/1.png", "2 images in left/, 1 in right/"),
        ("left/1.png left/2.png right/2.png right/3.png", "no right image for 1.png"),
        (
            "left/1.png left/2.png left/4.png right/11.png right/13.png right/14.png",
            "do not run side by side",
        ),
        ("left/a.png left/b.png right/c.png right/d.png", "not of one numbered sequence"),
    ],
)
def test_names_that_do_not_are_refused_with_the_way_out(
    folder: Folder, names: str, said: str
) -> None:
    place = folder(*names.split())
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read_pairs(place)
    assert str(caught.value).startswith(f"{place}: ")
    ways = ("list the pairs in a CSV file", "lie in left/ and right/", "needs its right one")
    assert any(way in str(caught.value) for way in ways)


def test_listing_images_needs_no_pairs(folder: Folder) -> None:
    place = folder("im_10.png", "im_9.png", "mask.png")
    assert [path.name for path in list_images(place)] == ["im_9.png", "im_10.png", "mask.png"]
