"""Hot and dead pixels: found where an image has more of them than ground has, and repaired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from lunar_runtime import StereoRuntime
from lunar_runtime.commands.summary import summary
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.masking.defects import defects
from lunar_runtime.report.outputs import write_result
from numpy.typing import NDArray

from .scenes import hilly_scene

SCENE = hilly_scene(256)
# Through optics: the scene's own texture is finer than a camera shows it.
GROUND = np.asarray(cv2.GaussianBlur(SCENE.grey_left, (0, 0), 0.7), np.uint8)


def pierced(image: NDArray[np.uint8], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Where an image gets pixels that are black or white."""
    return np.asarray(np.random.default_rng(seed).uniform(size=image.shape) < share)


def with_defects(image: NDArray[np.uint8], where: NDArray[np.bool_]) -> NDArray[np.uint8]:
    white = np.random.default_rng(1).choice([0, 255], image.shape)
    return np.where(where, white, image).astype(np.uint8)


@pytest.mark.parametrize("share", [0.002, 0.01, 0.05])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_defects_are_found_and_little_else(share: float, dtype: type) -> None:
    where = pierced(GROUND, share)
    values: NDArray[Any] = with_defects(GROUND, where).astype(dtype)
    found = defects(values if dtype is np.uint8 else values * dtype(3), None)
    assert found is not None
    span = float(np.ptp(np.percentile(GROUND, (0.1, 99.9))))
    differs = np.abs(values.astype(float) - cv2.medianBlur(GROUND, 3)) > 0.2 * span
    assert found[where & differs].mean() > 0.95
    assert np.count_nonzero(found & ~where) < 1e-3 * GROUND.size


def test_ground_has_none() -> None:
    assert defects(GROUND, None) is None
    assert defects(np.full((64, 64), 7, np.uint8), None) is None  # no range at all


def test_sharp_ground_of_two_pixels_is_no_defect() -> None:
    """Boulders and rims are wider than a pixel, and few of them are far from what is around."""
    boulders = pierced(GROUND, 0.004)
    wide = cv2.dilate(boulders.astype(np.uint8), np.ones((2, 2), np.uint8)) > 0
    assert defects(np.where(wide, np.uint8(250), GROUND), None) is None


def test_what_is_masked_is_not_looked_at() -> None:
    where = pierced(GROUND, 0.01)
    valid = np.ones(GROUND.shape, np.bool_)
    valid[:, :128] = False
    found = defects(with_defects(GROUND, where), valid)
    assert found is not None
    assert not found[:, :128].any()


def test_they_become_what_is_around_them_and_the_image_says_how_many() -> None:
    where = pierced(GROUND, 0.01)
    image = grey_from_array(with_defects(GROUND, where), detect=True)
    assert 0.005 < image.repaired < 0.011
    assert image.valid is None  # a measurement all the same
    off = np.abs(image.pixels.astype(int) - GROUND)[where]
    assert np.median(off) < 8  # without, 80 and more
    clean = grey_from_array(GROUND, detect=True)
    assert clean.repaired == 0
    np.testing.assert_array_equal(clean.pixels, GROUND)
    # What is not asked for is not done.
    kept = grey_from_array(with_defects(GROUND, where))
    np.testing.assert_array_equal(kept.pixels, with_defects(GROUND, where))


def test_a_pair_says_that_it_was_repaired(tmp_path: Path) -> None:
    left, right = (
        with_defects(image, pierced(image, 0.01, seed))
        for seed, image in enumerate((SCENE.grey_left, SCENE.grey_right))
    )
    with StereoRuntime.load(threads=1) as runtime:
        report = write_result(runtime.infer(left, right), tmp_path / "out")
    assert 0.005 < report.left.repaired_fraction < 0.011
    assert any("hot or dead ones repaired" in line for line in summary(report))
