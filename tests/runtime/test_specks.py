"""Single pixels without a measurement, scattered over the ground."""

from __future__ import annotations

import numpy as np
from lunar_runtime import infer_geometry_only
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.masking.specks import fill_specks, without_specks

from .scenes import hilly_scene

SCENE = hilly_scene(256)
SHAPE = SCENE.grey_left.shape
SPECKS = np.random.default_rng(0).uniform(size=SHAPE) < 0.01


def test_holes_of_up_to_two_pixels_are_closed_and_no_larger_ones() -> None:
    valid = np.ones((40, 40), bool)
    valid[5, 5] = valid[10:12, 10:12] = valid[20, 3:30] = False
    valid[30:33, 30:33] = False
    valid[0, 8] = valid[39, 39] = False  # at the border
    closed = without_specks(valid)
    assert closed[:29].all()
    assert not closed[30:33, 30:33].any()
    assert closed[39, 39]


def test_an_edge_is_no_hole() -> None:
    rows, columns = np.mgrid[:60, :60]
    valid = rows + 2 * columns > 50
    inner = np.s_[2:-2, 2:-2]
    np.testing.assert_array_equal(without_specks(valid)[inner], valid[inner])


def test_a_speck_gets_what_is_beside_it() -> None:
    pixels = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (50, 1))
    filled, valid = pixels.copy(), np.ones(pixels.shape, bool)
    valid[10, 10], valid[30:40, 30:40] = False, False
    filled[~valid] = 7
    fill_specks(filled, valid)
    assert filled[10, 10] == pixels[10, 10]
    assert (filled[30:40, 30:40] == 7).all()


def test_a_special_pixel_here_and_there_costs_its_own_result_alone() -> None:
    left, right = (grey.astype(np.float32) for grey in (SCENE.grey_left, SCENE.grey_right))
    left[SPECKS] = right[SPECKS[::-1]] = np.nan
    rig = Rig(left=SCENE.left)
    clean = infer_geometry_only(
        SCENE.grey_left, SCENE.grey_right, rig, baseline_m=SCENE.baseline_m
    ).views["left"]
    found = infer_geometry_only(left, right, rig, baseline_m=SCENE.baseline_m).views["left"]
    assert np.isnan(found.depth[SPECKS]).all()
    assert np.isfinite(found.depth[~SPECKS]).all()
    assert clean.refined is not None
    assert found.refined is not None
    # Beside a speck nothing is lost: masked as holes, 1 % of specks took a third of what matches.
    decided = found.refined[~SPECKS].mean() / clean.refined[~SPECKS].mean()
    assert decided > 0.97
    off = np.abs(found.depth / clean.depth - 1)
    assert np.nanmedian(off) < 3e-4


def test_what_looks_at_an_image_sees_no_specks() -> None:
    values = SCENE.grey_left.astype(np.float32)
    values[SPECKS] = np.nan
    image = grey_from_array(values)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, ~SPECKS)
    without = grey_from_array(SCENE.grey_left.astype(np.float32)).pixels
    apart = np.abs(image.pixels[SPECKS].astype(float) - without[SPECKS])
    assert np.median(apart) < 0.3 * SCENE.grey_left.std()
