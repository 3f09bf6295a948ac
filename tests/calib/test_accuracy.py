from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_calib.truth.accuracy import Accuracy, measure_accuracy, plane_null, true_pointmap
from lunar_calib.truth.similarity import Sim3, umeyama
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray

DATA = Path(os.environ.get("LUNAR_DATA", Path(__file__).resolve().parents[3] / "shared/data"))
needs_data = pytest.mark.skipif(
    not DATA.exists(), reason=f"no StereoLunar samples at {DATA} (LUNAR_DATA)"
)
SCENES = {  # name -> folder, first image, depth
    "nadir": ("Nadir_baseline_sample/paire2", 576, "Nadir_paire2"),
    "oblique": ("Oblique_baseline_sample/paire1", 432, "Oblique_paire1"),
    "dynamic 1": ("Dynamic_baseline_sample/paire1", 1194, "Dynamic_paire1"),
    "dynamic 2": ("Dynamic_baseline_sample/paire2", 1164, "Dynamic_paire2"),
}
CAMERA = Intrinsics(100.0, 100.0, 48.0, 48.0)
R = cv2.Rodrigues(np.array([0.4, -1.0, 2.0]))[0]


def _hills(size: int = 96) -> NDArray[np.float64]:
    row, column = np.mgrid[:size, :size]
    return np.asarray(1000 + 2.0 * row + 20 * np.sin(column / 6) * np.cos(row / 7))


def _distorted(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Another unit, another frame."""
    return np.asarray(0.003 * points @ R.T + [1.0, 2.0, 3.0])


def test_umeyama_recovers_a_similarity() -> None:
    source = np.random.default_rng(0).standard_normal((50, 3))
    t = np.array([5.0, -7.0, 1e4])
    found = umeyama(source, 12.5 * source @ R.T + t)
    assert found.scale == pytest.approx(12.5, rel=1e-12)
    np.testing.assert_allclose(found.R, R, atol=1e-12)
    np.testing.assert_allclose(found.t, t, rtol=1e-9)


def test_umeyama_of_flat_points_is_a_rotation_not_a_mirror() -> None:
    source = np.random.default_rng(0).standard_normal((50, 3)) * [1, 1, 0]
    found = umeyama(source, source @ R.T)
    np.testing.assert_allclose(found.R, R, atol=1e-9)
    assert np.linalg.det(umeyama(source, source * [1, -1, 1]).R) == pytest.approx(1)


def test_umeyama_is_the_least_squares_optimum() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.standard_normal((2, 30, 3))
    weights = rng.random(30)
    best = umeyama(source, target, weights)

    def cost(transform: Sim3) -> float:
        return float(weights @ np.sum((transform.apply(source) - target) ** 2, axis=-1))

    for _ in range(30):
        turn = cv2.Rodrigues(0.01 * rng.standard_normal(3))[0]
        other = Sim3(
            best.scale * (1 + 0.01 * rng.standard_normal()),
            turn @ best.R,
            best.t + 0.01 * rng.standard_normal(3),
        )
        assert cost(best) < cost(other)


def test_umeyama_ignores_what_is_invalid_or_without_weight() -> None:
    source = np.random.default_rng(0).standard_normal((50, 3))
    target, weights = 2 * source, np.ones(50)
    target[0], weights[0] = 99, 0
    source[1, 1] = np.nan
    target[2, 2] = np.inf
    assert umeyama(source, target, weights).scale == pytest.approx(2, rel=1e-12)


def test_trimming_leaves_out_wrong_pairs() -> None:
    rng = np.random.default_rng(0)
    source = rng.standard_normal((200, 3))
    target = 2 * source @ R.T
    target[:30] += rng.uniform(5, 9, (30, 3))
    assert umeyama(source, target, trim=0.2).scale == pytest.approx(2, rel=1e-9)
    assert umeyama(source, target).scale != pytest.approx(2, rel=1e-3)


def test_umeyama_refuses_what_it_cannot_align() -> None:
    with pytest.raises(InputError, match="three pairs of points; there are 2"):
        umeyama(np.eye(3)[:2], np.eye(3)[:2])
    with pytest.raises(InputError, match="not on one line"):
        umeyama(np.arange(4.0)[:, None] * np.ones(3), np.arange(4.0)[:, None] * np.ones(3))
    with pytest.raises(InputError, match=r"alike \(\.\.\., 3\), not \(4, 3\) and \(5, 3\)"):
        umeyama(np.ones((4, 3)), np.ones((5, 3)))
    with pytest.raises(InputError, match=r"trim must be in \[0, 1\), not 1"):
        umeyama(np.eye(3), np.eye(3), trim=1.0)


def test_the_truth_in_another_unit_and_frame_is_perfect() -> None:
    accuracy = measure_accuracy(_distorted(true_pointmap(_hills(), CAMERA)), _hills(), CAMERA)
    assert accuracy.absrel_median < 1e-12  # float64
    assert accuracy.slope_mae_deg < 1e-4  # slopes are float32 degrees
    assert accuracy.relief_correlation == pytest.approx(1)
    assert set(accuracy.hazard_miss) == {5.0, 10.0, 15.0, 20.0}
    assert all(miss in (0, None) for miss in accuracy.hazard_miss.values())
    assert all(alarm in (0, None) for alarm in accuracy.hazard_false_alarm.values())
    assert accuracy.coverage == 1
    assert accuracy.pixels == (96 - 6) ** 2  # 3 px of erosion at every border
    assert accuracy.alignment.scale == pytest.approx(1 / 0.003)


def test_convention_depth_is_unprojected_through_pixel_centres() -> None:
    points = true_pointmap(np.full((4, 4), 10.0), Intrinsics(10, 10, 2, 2))
    np.testing.assert_allclose(points[0, 0], [-1.5, -1.5, 10], rtol=1e-6)  # float32 rays


def test_absrel_is_the_relative_error_of_aligned_depth() -> None:
    true = true_pointmap(_hills(), CAMERA)
    ripple = np.where(np.indices((96, 96)).sum(0) % 2 == 0, 1.01, 0.99)
    accuracy = measure_accuracy(true * ripple[..., None], _hills(), CAMERA)
    # One per cent everywhere; the alignment finds (nearly) nothing to do with a chequerboard.
    assert accuracy.absrel_median == pytest.approx(0.01, rel=0.02)
    assert accuracy.absrel_mean == pytest.approx(0.01, rel=0.02)


def test_the_slope_error_of_a_tilted_half_is_its_tilt() -> None:
    """A true plane with one half bent by 12° has an error of 12° there."""
    column = np.arange(96)
    x = (column - 47.5) / 100
    depth = np.full((96, 96), 1000.0)
    bent = depth.copy()
    slope = np.tan(np.radians(12))
    bent[:, 48:] = 1000 / (1 - slope * x[48:])  # z = 1000 + slope * X
    accuracy = measure_accuracy(
        true_pointmap(depth, CAMERA), bent, CAMERA, up=[0, 0, -1], smoothing_px=0
    )
    # A rigid alignment splits the bend: 6° on either side.
    assert accuracy.slope_mae_deg == pytest.approx(6, abs=0.3)
    assert accuracy.hazard_miss[10.0] == pytest.approx(1)
    assert accuracy.hazard_miss[15.0] is None
    assert accuracy.hazard_false_alarm[15.0] == 0


def test_up_is_the_normal_of_the_true_plane_unless_given() -> None:
    null = plane_null(_hills(), CAMERA)
    tilted = plane_null(_hills(), CAMERA, up=[0.3, 0, -1])
    assert null.slope_mae_deg != tilted.slope_mae_deg
    assert null.absrel_median == tilted.absrel_median


def test_a_prediction_of_half_the_image_covers_half() -> None:
    points = _distorted(true_pointmap(_hills(), CAMERA))
    points[48:] = np.nan
    accuracy = measure_accuracy(points, _hills(), CAMERA)
    assert accuracy.coverage == 0.5
    assert accuracy.pixels == (48 - 6) * (96 - 6)
    assert accuracy.absrel_median < 1e-12


def test_unknown_truth_is_left_out() -> None:
    depth = _hills()
    points = true_pointmap(depth, CAMERA)
    depth[:10], depth[10:20], depth[20:30] = np.nan, np.inf, 0
    points[:30] = 1e9
    accuracy = measure_accuracy(points, depth, CAMERA)
    assert accuracy.coverage == 1
    assert accuracy.absrel_median < 1e-12


def test_erosion_keeps_away_from_invalid_pixels() -> None:
    points = true_pointmap(_hills(), CAMERA)
    points[48, 48] = np.nan
    assert measure_accuracy(points, _hills(), CAMERA).pixels == 90**2 - 7**2
    assert measure_accuracy(points, _hills(), CAMERA, erode_px=0).pixels == 96**2 - 1


def test_the_plane_null_knows_the_plane_alone() -> None:
    row = np.mgrid[:96, :96][0]
    plane_depth = 1000 / (1 + 0.3 * (row + 0.5 - 48) / 100)
    flat = plane_null(plane_depth, CAMERA)
    assert flat.absrel_mean < 1e-6  # float32 rays
    assert flat.slope_mae_deg < 1e-2  # angles near 0° of float64 points: their cosine's rounding
    hilly = plane_null(_hills(), CAMERA)
    assert hilly.relief_correlation is None  # a plane has no relief
    assert 0.005 < hilly.absrel_mean < 0.02  # hills of ± 20 in 1000
    assert hilly.hazard_miss[10.0] == 1


def test_the_same_input_gives_the_same_figures() -> None:
    assert str(plane_null(_hills(), CAMERA)) == str(plane_null(_hills(), CAMERA))


def test_wrong_input_is_refused() -> None:
    points = true_pointmap(_hills(), CAMERA)
    with pytest.raises(InputError, match=r"pointmap must be \(96, 96, 3\) like the true depth"):
        measure_accuracy(points[1:], _hills(), CAMERA)
    with pytest.raises(InputError, match=r"true depth must be \(H, W\)"):
        measure_accuracy(points, points, CAMERA)
    with pytest.raises(InputError, match="share 0 pixels, too few"):
        measure_accuracy(np.full_like(points, np.nan), _hills(), CAMERA)
    with pytest.raises(InputError, match="fewer than three valid pixels"):
        plane_null(np.full((9, 9), np.nan), CAMERA)
    with pytest.raises(InputError, match="erosion must be 0 or more"):
        measure_accuracy(points, _hills(), CAMERA, erode_px=-1)


def _lunar(scene: str, side: int) -> tuple[NDArray[np.float64], Intrinsics, NDArray[np.float64]]:
    """Depth in metres, camera, and gravity's up in its frame."""
    folder, first, name = SCENES[scene]
    with np.load(DATA / f"stereolunar/{folder}/im_{first + side:05d}.npz") as arrays:
        camera = dict(arrays)
    depth = np.load(DATA / f"stereolunar_depth/{name}_{'LR'[side]}.npz")["depth_m"]
    K = Intrinsics.from_matrix(camera["intrinsics"])
    pose = camera["cam2world"].astype(np.float64)  # the Moon's centre is the origin
    place = pose[:3, :3] @ true_pointmap(depth, K).mean(axis=(0, 1)) + pose[:3, 3]
    return depth, K, pose[:3, :3].T @ place / np.linalg.norm(place)


@needs_data
@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
def test_the_plane_null_of_lunar_scenes_is_as_good_as_known(scene: str, side: int) -> None:
    """0.6-2.2 % AbsRel; slopes from gravity 7.2-11.0°, from the plane's own normal 7.7-12.6°."""
    depth, K, up = _lunar(scene, side)
    null: Accuracy = plane_null(depth, K, up=up)
    assert 0.006 <= null.absrel_median <= 0.0225
    assert 7.1 <= null.slope_mae_deg <= 11.1
    assert 7.5 <= plane_null(depth, K).slope_mae_deg <= 12.7


@needs_data
@pytest.mark.parametrize("scene", SCENES)
def test_half_a_per_mille_of_noise_beats_the_null_by_far(scene: str) -> None:
    depth, K, up = _lunar(scene, 0)
    rng = np.random.default_rng(0)
    points = true_pointmap(depth, K) * (1 + 5e-4 * rng.standard_normal((*depth.shape, 1)))
    accuracy = measure_accuracy(_distorted(points), depth, K, up=up)
    null = plane_null(depth, K, up=up)
    # the median of |N(0, 1)| is 0.674 sigma
    assert accuracy.absrel_median == pytest.approx(0.674 * 5e-4, rel=0.02)
    assert accuracy.slope_mae_deg < null.slope_mae_deg / 2
    assert accuracy.relief_correlation is not None
    assert accuracy.relief_correlation > 0.99
    miss, null_miss = accuracy.hazard_miss[10.0], null.hazard_miss[10.0]
    assert miss is not None
    assert null_miss is not None
    assert miss < null_miss / 2
