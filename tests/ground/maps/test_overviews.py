"""Overviews are means of what is known, and names are never averaged."""

from __future__ import annotations

import numpy as np
from lunar_ground.maps.overviews import halved, levels
from lunar_ground.maps.raster import Raster


def test_a_block_needs_none_and_twice_as_much_one() -> None:
    assert [levels(side) for side in (1, 256, 257, 512, 513, 1024, 1025)] == [0, 0, 1, 1, 2, 2, 3]


def test_unknown_values_are_left_out_of_the_mean() -> None:
    nan = np.nan
    values = np.array([[1, 3, nan, nan], [5, nan, nan, nan]], np.float32)
    half = halved(values, nodata=nan, classes=False)
    assert half.dtype == np.float32
    np.testing.assert_array_equal(half, [[3, nan]])


def test_shades_are_rounded_and_0_is_none() -> None:
    values = np.array([[10, 0, 0, 0], [13, 0, 0, 0]], np.uint8)
    half = halved(values, nodata=0, classes=False)
    assert half.dtype == np.uint8
    np.testing.assert_array_equal(half, [[12, 0]])


def test_of_classes_one_of_the_four_stays() -> None:
    values = np.array([[2, 0], [0, 255]], np.uint8)
    np.testing.assert_array_equal(halved(values, nodata=255, classes=True), [[2]])


def test_a_window_is_a_whole_number_of_the_smallest_overviews_cells() -> None:
    raster = Raster.around(np.array([0.0, 600.0]), np.array([10.0, 40.0]), 1.0)
    seen = np.zeros(raster.shape, np.bool_)
    seen[10:33, 9:592] = True
    rows, columns = raster.window(seen)
    assert (columns.stop - columns.start) % 4 == (rows.stop - rows.start) % 4 == 0
    assert seen[rows, columns].sum() == seen.sum()
    assert rows.start >= 0 and columns.start >= 0
    assert rows.stop <= raster.rows and columns.stop <= raster.columns
    x, y = raster.centres()
    assert x[0] % 1 == y[0] % 1 == 0.5 and x[0] < 0 and y[0] > 40
