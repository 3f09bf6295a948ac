"""The focal length of a pointmap whose camera is known."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.focal import estimate_intrinsics
from numpy.typing import NDArray

CAMERA = Intrinsics(618.04, 617.0, 250.0, 130.5)


def _pointmap(camera: Intrinsics, height: int = 60, width: int = 80) -> NDArray[np.float64]:
    row, column = np.mgrid[:height, :width]
    depth = 30 + 0.05 * row + np.sin(column / 9)
    return np.asarray(depth[..., None] * pixel_rays(camera, height, width), np.float64)


def test_the_focal_of_a_pointmap_is_found() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(97.5, 97.5, 40, 30)))
    # float32 rays carry 6e-8
    np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], [97.5, 97.5, 40, 30])


def test_convention_the_estimated_principal_point_is_the_images_centre() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(50, 50, 3.5, 2.5), 5, 7))
    assert (camera.cx, camera.cy) == (3.5, 2.5)
    assert camera.fx == pytest.approx(50, rel=1e-6)  # float32 rays


def test_the_unit_does_not_change_the_focal() -> None:
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    for scale in (1e-3, 1e4):
        assert estimate_intrinsics(scale * pointmap).fx == pytest.approx(97.5, rel=1e-6)


def test_a_large_pointmap_gives_the_same_focal() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(600, 600, 350, 300), 600, 700))
    assert camera.fx == pytest.approx(600, rel=1e-6)


def test_wrong_points_hardly_move_the_focal() -> None:
    rng = np.random.default_rng(0)
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    wrong = rng.random((60, 80)) < 0.3
    pointmap[wrong, :2] *= rng.uniform(0.2, 5, (np.count_nonzero(wrong), 1))
    # Least squares on the same points is off by over 30 %.
    assert estimate_intrinsics(pointmap).fx == pytest.approx(97.5, rel=0.01)


def test_points_without_confidence_do_not_count() -> None:
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    confidence = np.ones((60, 80))
    pointmap[:, :60, :2] *= 3
    confidence[:, :60] = 0
    pointmap[5, 70] = np.nan
    pointmap[6, 70, 2] = -1
    confidence[7, 70] = np.nan
    assert estimate_intrinsics(pointmap, confidence).fx == pytest.approx(97.5, rel=1e-6)


def test_a_pointmap_without_points_is_refused() -> None:
    with pytest.raises(
        InputError, match="no finite point in front of the camera; give `intrinsics"
    ):
        estimate_intrinsics(np.full((4, 4, 3), np.nan))
    with pytest.raises(InputError, match="no finite point in front of the camera"):
        estimate_intrinsics(-_pointmap(CAMERA))
    with pytest.raises(InputError, match="no finite point in front of the camera"):
        estimate_intrinsics(_pointmap(CAMERA), np.zeros((60, 80)))


def test_a_mirrored_pointmap_is_refused() -> None:
    mirrored = _pointmap(Intrinsics(97.5, 97.5, 40, 30)) * [-1, -1, 1]
    with pytest.raises(InputError, match="not in its own camera's frame"):
        estimate_intrinsics(mirrored)


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\), not \(4, 3\)"):
        estimate_intrinsics(np.ones((4, 3)))
    with pytest.raises(InputError, match=r"confidence must be \(4, 5\), not \(5, 4\)"):
        estimate_intrinsics(np.ones((4, 5, 3)), np.ones((5, 4)))
