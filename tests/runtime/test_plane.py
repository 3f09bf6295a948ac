from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.plane import Plane, fit_plane

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
UP = np.array([0.2, -0.3, -1.0]) / np.linalg.norm([0.2, -0.3, -1.0])


def _seen_plane(height: float, size: int = 64) -> np.ndarray:
    """The plane `height` below a camera, as its pointmap."""
    rays = pixel_rays(Intrinsics(80, 80, size / 2, size / 2), size, size).astype(np.float64)
    return np.asarray(-height / (rays @ UP)[..., None] * rays)


def _angle_deg(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def test_convention_the_normal_points_towards_the_camera() -> None:
    wall = np.array([[x, y, 5.0] for x in (-1, 0, 1) for y in (-1, 0, 1)])
    plane = fit_plane(wall)
    np.testing.assert_allclose(plane.normal, [0, 0, -1], atol=1e-12)
    assert plane.offset == pytest.approx(-5)
    assert plane.camera_height == pytest.approx(5)
    assert plane.height(np.array([0, 0, 4])) == pytest.approx(1)  # nearer to the camera = up


@pytest.mark.parametrize("height", [1e-3, 1.0, 40_000.0])
def test_a_plane_is_found_at_any_scale(height: float) -> None:
    plane = fit_plane(_seen_plane(height))
    np.testing.assert_allclose(plane.normal, UP, atol=1e-9)  # float64 rounding
    assert plane.camera_height == pytest.approx(height, rel=1e-9)


def test_float32_points_are_good_for_a_metre_in_forty_kilometres() -> None:
    plane = fit_plane(_seen_plane(40_000.0).astype(np.float32))
    # one point is good to 2 mm (2^-25 of 60 km); thousands of them to less
    assert plane.camera_height == pytest.approx(40_000, abs=2e-3)


def test_a_third_of_wrong_points_does_not_move_it() -> None:
    rng = np.random.default_rng(0)
    points = _seen_plane(1.0)
    points += 1e-3 * rng.standard_normal(points.shape)
    wrong = rng.random(points.shape[:2]) < 0.35
    points[wrong] *= rng.uniform(0.3, 0.9, (np.count_nonzero(wrong), 1))
    plane = fit_plane(points)
    # 1e-3 of noise over 2600 good points: 1e-3 / sqrt(2600) / spread, a few 1e-3 degrees
    assert _angle_deg(plane.normal, UP) < 0.02
    assert plane.camera_height == pytest.approx(1, abs=2e-4)


def test_invalid_points_are_ignored() -> None:
    points = _seen_plane(2.0)
    points[:20] = np.nan
    points[25, 3, 2] = np.inf
    np.testing.assert_allclose(fit_plane(points).normal, UP, atol=1e-9)


def test_points_without_weight_are_ignored() -> None:
    points = _seen_plane(2.0)
    weights = np.ones(points.shape[:2])
    points[:40] *= 3
    weights[:40] = 0
    weights[41, 1], weights[42, 2] = np.nan, -1
    np.testing.assert_allclose(fit_plane(points, weights).normal, UP, atol=1e-9)


def test_heavier_points_pull_more() -> None:
    wall = np.array([[x, y, 5.0] for x in (-1, 0, 1) for y in (-1, 0, 1)])
    near = wall - [0, 0, 0.01]
    points, weights = np.concatenate([wall, near]), np.repeat([3.0, 1.0], 9)
    height = fit_plane(points, weights).camera_height
    assert 4.995 < height <= 5 + 1e-9  # nearer to the heavy one than halfway


def test_the_shape_of_the_input_does_not_matter() -> None:
    points = _seen_plane(1.0)
    flat = fit_plane(points.reshape(-1, 3))
    np.testing.assert_array_equal(fit_plane(points).normal, flat.normal)


def test_the_same_points_give_the_same_plane() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((200, 200, 3)) * [1, 1, 0.2] + [0, 0, 9]  # over the subsampling
    first, second = fit_plane(points), fit_plane(points)
    assert first.offset == second.offset
    np.testing.assert_array_equal(first.normal, second.normal)


def test_a_camera_in_the_plane_has_no_height() -> None:
    plane = fit_plane(np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]))
    assert plane.camera_height == pytest.approx(0, abs=1e-12)
    assert plane.offset <= 0 or abs(plane.offset) < 1e-12
    assert abs(plane.normal[2]) == pytest.approx(1)


def test_points_on_one_line_are_refused() -> None:
    line = np.linspace(0, 1, 10)[:, None] * [1.0, 2.0, 3.0]
    with pytest.raises(InputError, match="not on one line"):
        fit_plane(line)
    with pytest.raises(InputError, match="not on one line"):
        fit_plane(np.ones((5, 3)))


def test_too_few_points_are_refused() -> None:
    with pytest.raises(InputError, match="three finite points of positive weight; there are 2"):
        fit_plane(np.array([[0, 0, 1], [1, 0, 1], [np.nan, 1, 1]]))


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"points must be \(H, W, 3\) or \(N, 3\), not \(3,\)"):
        fit_plane(np.ones(3))
    with pytest.raises(InputError, match=r"weights must be \(4,\), not \(3,\)"):
        fit_plane(np.ones((4, 3)), np.ones(3))


@pytest.mark.skipif(not DATA.exists(), reason=f"no StereoLunar samples at {DATA} (LUNAR_DATA)")
@pytest.mark.parametrize(("spoilt", "mean_deg"), [(0.0, 2.1), (0.2, 3.0)])
def test_lunar_planes_are_level(spoilt: float, mean_deg: float) -> None:
    """Measured 1.9° and 2.6° over eight views; least squares: 1.9° and 20°."""
    off_deg = []
    for scene, first in (("Nadir", 576), ("Oblique", 432), ("Dynamic1", 1194), ("Dynamic2", 1164)):
        kind, pair = scene.rstrip("12"), {"Dynamic1": 1, "Dynamic2": 2, "Nadir": 2, "Oblique": 1}
        folder = DATA / f"stereolunar/{kind}_baseline_sample/paire{pair[scene]}"
        for index, side in enumerate("LR"):
            with np.load(folder / f"im_{first + index:05d}.npz") as arrays:
                camera = dict(arrays)
            file = DATA / f"stereolunar_depth/{kind}_paire{pair[scene]}_{side}.npz"
            depth = np.load(file)["depth_m"][::4, ::4].astype(np.float64)
            K = Intrinsics.from_matrix(camera["intrinsics"])
            rays = pixel_rays(Intrinsics(K.fx / 4, K.fy / 4, K.cx / 4, K.cy / 4), *depth.shape)
            points = depth[..., None] * rays
            cam2world = camera["cam2world"].astype(np.float64)
            place = cam2world[:3, :3] @ points.mean(axis=(0, 1)) + cam2world[:3, 3]
            up = cam2world[:3, :3].T @ place / np.linalg.norm(place)  # Moon-centred world
            columns = int(spoilt * 128)
            points[:, :columns] *= np.linspace(0.5, 0.9, columns)[None, :, None]
            off_deg.append(_angle_deg(fit_plane(points).normal, up))
    assert float(np.mean(off_deg)) < mean_deg


def test_height_takes_any_shape() -> None:
    plane = Plane(np.array([0.0, 0.0, -1.0]), -5.0)
    assert plane.height(np.ones((2, 4, 3))).shape == (2, 4)
    np.testing.assert_allclose(plane.height(np.ones((2, 4, 3))), 4.0)
