"""Two images: what makes them a pair, and how they come onto a grid."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import PairGrids, resample
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.views import CameraEstimate
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import check_pair, check_texture, read_pair

from .scenes import hilly_scene

SCENE = hilly_scene()


def test_arrays_and_files_are_read_alike(tmp_path: Path) -> None:
    paths = tmp_path / "left.png", tmp_path / "right.png"
    for path, image in zip(paths, (SCENE.grey_left, SCENE.grey_right), strict=True):
        cv2.imwrite(str(path), image)
    of_files, of_arrays = read_pair(*paths), read_pair(SCENE.grey_left, SCENE.grey_right)
    np.testing.assert_array_equal(of_files.left.pixels, of_arrays.left.pixels)
    np.testing.assert_array_equal(of_files.right.pixels, SCENE.grey_right)
    assert of_files.left.name == str(paths[0])
    assert (of_arrays.left.name, of_arrays.right.name) == ("left array", "right array")


def test_images_of_two_sizes_are_no_pair_where_their_cameras_are_not_known() -> None:
    with pytest.raises(
        InputError,
        match=r"right array: 120x128 px, but left array has 128x128; both images of a pair need "
        "the same size",
    ):
        check_pair(
            grey_from_array(SCENE.grey_left, "left array"),
            grey_from_array(SCENE.grey_right[:, :120], "right array"),
        )


def test_the_same_image_twice_is_no_pair() -> None:
    with pytest.raises(
        InputError, match=r"right array: the same image as left array, so there is no parallax"
    ):
        read_pair(SCENE.grey_left, SCENE.grey_left.copy())


def test_one_pixel_of_difference_is_another_image() -> None:
    other = SCENE.grey_left.copy()
    other[5, 5] ^= 1
    check_pair(grey_from_array(SCENE.grey_left), grey_from_array(other))


@pytest.mark.parametrize(
    ("level", "looks"), [(0, "black"), (3, "black"), (128, "one grey level"), (255, "white")]
)
def test_an_even_image_has_no_texture(level: int, looks: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"a\.png: no texture \(all {looks}, contrast 0\.00 grey levels\); check the expos",
    ):
        check_texture(np.full((64, 64), level, np.uint8), "a.png")


def test_six_tenths_of_a_grey_level_are_texture() -> None:
    """A share p of pixels that are one level brighter has a deviation of sqrt(p (1 - p)): ≤ 0.5."""
    board = np.indices((64, 64)).sum(axis=0) % 2
    with pytest.raises(InputError, match=r"contrast 0\.50 grey levels"):
        check_texture(board.astype(np.uint8), "a.png")
    check_texture((2 * board).astype(np.uint8), "a.png")  # deviation 1


def test_a_dim_but_textured_image_is_fine() -> None:
    check_texture((SCENE.grey_left // 40).astype(np.uint8), "a.png")  # 7 grey levels


def test_one_hot_pixel_is_no_texture() -> None:
    black = np.zeros((512, 512), np.uint8)
    black[256, 170] = 255
    with pytest.raises(InputError, match="no texture"):
        check_texture(black, "a.png")


def test_either_image_is_checked_and_named() -> None:
    with pytest.raises(InputError, match="right array: no texture"):
        read_pair(SCENE.grey_left, np.zeros((128, 128), np.uint8))
    with pytest.raises(InputError, match="left array: no texture"):
        read_pair(np.zeros((128, 128), np.uint8), SCENE.grey_left)


def test_each_image_comes_onto_its_grid_with_its_camera() -> None:
    images = read_pair(SCENE.grey_left[:100], SCENE.grey_right)
    grids = PairGrids(images.wholes.left.with_grid(50, 64), images.wholes.right)
    cameras = tuple(CameraEstimate(Intrinsics(f, f, 32, 24), "rig") for f in (80.0, 90.0))
    pair = images.views(grids, (cameras[0], cameras[1]))
    assert (pair.left.camera, pair.right.camera) == cameras
    assert (pair.left.shape, pair.right.shape) == ((50, 64), (128, 128))
    np.testing.assert_array_equal(pair.left.grey, resample(images.left.pixels, grids.left))
    np.testing.assert_array_equal(pair.right.grey, SCENE.grey_right)
    left, right = images.greys(grids)
    np.testing.assert_array_equal(pair.left.grey, left)
    np.testing.assert_array_equal(pair.right.grey, right)


def test_windows_are_what_the_grids_show() -> None:
    windows = Window(10, 20, 64, 100), Window(0, 5, 128, 90)
    images = read_pair(SCENE.grey_left, SCENE.grey_right, windows)
    assert [grid.crop for grid in images.wholes] == [tuple(window) for window in windows]
    left, right = images.greys(images.wholes)
    np.testing.assert_array_equal(left, SCENE.grey_left[20:120, 10:74])
    np.testing.assert_array_equal(right, SCENE.grey_right[5:95])


LEFT, RIGHT = Intrinsics(80.0, 80.0, 64.0, 64.0), Intrinsics(60.0, 60.0, 48.0, 48.0)


@pytest.mark.parametrize(
    ("options", "rig"),
    [
        (InferOptions(), Rig()),
        (InferOptions(), Rig(left=LEFT)),
        (InferOptions(), Rig(right=RIGHT)),
        (InferOptions(intrinsics=LEFT), Rig()),
        (InferOptions(intrinsics=LEFT), Rig(left=LEFT, right=RIGHT)),
    ],
)
def test_images_of_two_sizes_need_both_cameras(options: InferOptions, rig: Rig) -> None:
    images = read_pair(SCENE.grey_left, SCENE.grey_right[:96, :96])
    with pytest.raises(
        InputError,
        match=r"right array: 96x96 px, but left array has 128x128; images of two sizes need a "
        "`rig` with the intrinsics of left and of right, each in pixels of its own image",
    ):
        images.check_cameras(options, rig)
    images.check_cameras(InferOptions(), Rig(left=LEFT, right=RIGHT))


def test_windows_of_two_sizes_in_images_of_one_need_no_more_than_one_camera() -> None:
    windows = Window(10, 20, 64, 100), Window(0, 5, 128, 90)
    images = read_pair(SCENE.grey_left, SCENE.grey_right, windows)
    images.check_cameras(InferOptions(), Rig())
