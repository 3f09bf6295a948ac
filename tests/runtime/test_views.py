"""A view halved, swapped and made floating still sees the same ground."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.views import CameraEstimate, Pair, View

from .scenes import hilly_scene


def view(height: int = 6, width: int = 8) -> View:
    grey = np.arange(height * width, dtype=np.uint8).reshape(height, width)
    return View(grey, CameraEstimate(Intrinsics(100.0, 110.0, 4.5, 2.5), "rig"))


def test_a_view_knows_its_shape_and_camera() -> None:
    assert view().shape == (6, 8)
    assert view().intrinsics == Intrinsics(100.0, 110.0, 4.5, 2.5)
    np.testing.assert_array_equal(view().rays(), pixel_rays(view().intrinsics, 6, 8))


def test_half_a_view_has_the_means_of_two_by_two_pixels() -> None:
    halved = view().halved()
    assert halved.shape == (3, 4)
    assert halved.grey.dtype == np.float32
    # 0, 1, 8, 9 are the first two by two.
    assert halved.grey[0, 0] == 4.5
    assert halved.camera == CameraEstimate(Intrinsics(50.0, 55.0, 2.25, 1.25), "rig")


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (5, 8)])
def test_convention_pixel_centres_hold_when_a_view_is_halved(size: tuple[int, int]) -> None:
    """The image spans the same angles: its edges' rays, not its corner pixels', are kept."""
    whole, halved = view(*size), view(*size).halved()
    for camera, (height, width) in ((whole, whole.shape), (halved, halved.shape)):
        K = camera.intrinsics
        edges = [-K.cx / K.fx, (width - K.cx) / K.fx, -K.cy / K.fy, (height - K.cy) / K.fy]
        expected = [
            -4.5 / 100, (size[1] - 4.5) / 100, -2.5 / 110, (size[0] - 2.5) / 110
        ]  # fmt: skip
        np.testing.assert_allclose(edges, expected, rtol=1e-12)  # float64 rounding


def test_a_halved_pair_still_looks_along_the_same_rays() -> None:
    whole, halved = hilly_scene(128).views(), hilly_scene(128).views().halved()
    # Rays of a halved view are those of the corners that four pixels share.
    corners = (whole.left.rays()[:-1:2, :-1:2] + whole.left.rays()[1::2, 1::2]) / 2
    np.testing.assert_allclose(halved.left.rays(), corners, atol=1e-6)  # float32
    assert halved.right.shape == (64, 64)


def test_half_a_view_is_valid_where_all_four_pixels_are() -> None:
    valid = np.ones((6, 8), bool)
    valid[2, 5] = False
    halved = replace(view(), valid=valid).halved()
    assert halved.valid is not None
    assert np.argwhere(~halved.valid).tolist() == [[1, 2]]
    assert view().halved().valid is None


def test_floating_changes_the_type_alone() -> None:
    pair = hilly_scene().views()
    floating = pair.floating()
    assert floating.left.grey.dtype == floating.right.grey.dtype == np.float32
    np.testing.assert_array_equal(floating.left.grey, pair.left.grey)
    assert floating.left.camera == pair.left.camera


def test_swapped_puts_the_right_view_first() -> None:
    pair = Pair(view(), view(4, 4))
    assert pair.swapped().left is pair.right
    assert pair.swapped().right is pair.left
