"""Through a lens to a grid: one resampling, and nothing where the image has nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime import infer_geometry_only
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.grid_mapping import GridMapping, resample
from lunar_runtime.geometry.lens import Distortion, Lens
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.undistort import undistort

from .images import texture
from .lenses import inner, taken_through
from .scenes import hilly_scene

STRAIGHT = Distortion()
BARREL = Distortion(k1=-0.15, k2=0.02, p1=0.001)
SCENE = hilly_scene(256)


def lens_of(distortion: Distortion, size: int = 256) -> Lens:
    return Lens(Intrinsics(1.1 * size, 1.1 * size, size / 2, size / 2), distortion)


def test_a_lens_without_distortion_changes_nothing() -> None:
    image = texture(0, 256, 256)
    grey, valid = undistort(image, None, lens_of(STRAIGHT), GridMapping.fit(256, 256, 256, 256))
    np.testing.assert_array_equal(grey, image)
    assert valid.all()


@pytest.mark.parametrize("side", [128, 100])
def test_shrinking_averages(side: int) -> None:
    """As without a lens, but for samples that are not whole pixels where the grid is none."""
    image = SCENE.grey_left
    mapping = GridMapping.fit(256, 256, side, side)
    grey, _ = undistort(image, None, lens_of(STRAIGHT), mapping)
    np.testing.assert_allclose(grey, resample(image, mapping), atol=1 if side == 128 else 6)


def test_what_a_barrel_bent_is_straight_again() -> None:
    image, margin = SCENE.grey_left, 24
    k, middle = inner(SCENE.left, 256, margin)
    bent = taken_through(image, SCENE.left, BARREL, margin)
    mapping = GridMapping.fit(208, 208, 208, 208)
    grey, valid = undistort(bent, None, Lens(k, BARREL), mapping)
    assert valid.all()
    expected = image[middle, middle].astype(float)
    bent_off = np.abs(bent - expected).mean()
    assert np.abs(grey - expected).mean() < 0.02 * bent_off


def test_what_lies_outside_the_image_is_invalid() -> None:
    """A pincushion shows less than its straight frame: the corners first."""
    mapping = GridMapping.fit(256, 256, 256, 256)
    _, valid = undistort(texture(0, 256, 256), None, lens_of(Distortion(k1=0.2)), mapping)
    assert valid[128, 128]
    assert not valid[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert 0.7 < valid.mean() < 0.95


def test_invalid_pixels_stay_invalid_where_the_lens_puts_them() -> None:
    known = np.ones((256, 256), bool)
    known[40:60, 40:60] = False
    mapping = GridMapping.fit(256, 256, 128, 128)
    lens = lens_of(BARREL)
    _, valid = undistort(texture(0, 256, 256), known, lens, mapping)
    # The middle of the hole in the image, and its place on the grid, by the lens itself.
    rows, columns = np.nonzero(~valid)
    at = lens.to_image(mapping.points_to_source(np.stack([columns + 0.5, rows + 0.5], axis=-1)))
    assert np.abs(at.mean(axis=0) - 50).max() < 1
    assert 100 < len(rows) < 200  # 10 by 10, and a rim


def test_blocks_of_a_large_image_fit_together(monkeypatch: pytest.MonkeyPatch) -> None:
    mapping = GridMapping.fit(256, 256, 100, 100)
    whole = undistort(SCENE.grey_left, None, lens_of(BARREL), mapping)
    monkeypatch.setattr("lunar_runtime.geometry.undistort._BLOCK", 3000)
    parts = undistort(SCENE.grey_left, None, lens_of(BARREL), mapping)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "distortion",
    [BARREL, Distortion(k1=-0.25), Distortion(model="fisheye", k1=0.02)],
)
def test_c14_a_lens_in_the_rig_costs_no_accuracy(distortion: Distortion) -> None:
    margin = 36
    k, middle = inner(SCENE.left, 256, margin)
    depth = SCENE.depth_left[middle, middle]
    images = SCENE.grey_left, SCENE.grey_right
    left, right = (image[middle, middle] for image in images)
    bent_left, bent_right = (
        taken_through(image, SCENE.left, distortion, margin) for image in images
    )
    rig = Rig(k, k, SCENE.right_from_left)
    without = infer_geometry_only(left, right, rig)
    lenses = replace(rig, distortion_left=distortion, distortion_right=distortion)
    through = infer_geometry_only(bent_left, bent_right, lenses)
    errors = [float(np.median(np.abs(r.depth / depth - 1))) for r in (without, through)]
    assert through.verdict == "measured"
    assert errors[1] < errors[0] + 2e-4
    assert through.camera_left.intrinsics == k
    assert through.lenses[0] == Lens(k, distortion)


def test_one_lens_in_the_rig_is_that_of_both_cameras() -> None:
    rig = Rig(left=SCENE.left, distortion_left=BARREL)
    assert rig.lenses == (Lens(SCENE.left, BARREL),) * 2
    other = Rig(left=SCENE.left, right=SCENE.left, distortion_left=BARREL)
    assert other.lenses == (Lens(SCENE.left, BARREL), None)


def test_intrinsics_beside_a_lens_are_wrong_usage() -> None:
    rig = Rig(left=SCENE.left, distortion_left=BARREL)
    with pytest.raises(UsageError, match="`intrinsics` takes the place of the rig's"):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, rig, intrinsics=SCENE.left)


def test_a_lens_that_cannot_be_is_refused_with_its_camera() -> None:
    rig = Rig(left=SCENE.left, right=SCENE.left, distortion_right=Distortion(k1=-3.0))
    with pytest.raises(InputError, match="rig, right camera: the distortion turns back"):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, rig)
