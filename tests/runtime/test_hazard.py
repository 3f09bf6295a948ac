"""How much of a view is steep, between what and what."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.inference.hazard import called_flatter, steep_ranges
from lunar_runtime.inference.result import UpEstimate

UP = np.array([0.0, 0.0, -1.0])


def wall(slope_deg: float) -> np.ndarray:
    """(32, 32, 3) normals of a plane of one slope."""
    angle = np.radians(slope_deg)
    return np.broadcast_to([np.sin(angle), 0.0, -np.cos(angle)], (32, 32, 3))


def test_with_an_up_that_is_told_the_share_is_one_number() -> None:
    found = steep_ranges(wall(12), UpEstimate(UP, "rig"), None)
    assert found == {5: (1.0, 1.0), 10: (1.0, 1.0), 15: (0.0, 0.0), 20: (0.0, 0.0)}


@pytest.mark.parametrize(("sigma_deg", "at_15"), [(1.0, (0.0, 0.0)), (2.0, (0.0, 1.0))])
def test_a_tilt_of_up_turns_all_of_a_wall_at_once(
    sigma_deg: float, at_15: tuple[float, float]
) -> None:
    assert steep_ranges(wall(12), UpEstimate(UP, "plane", sigma_deg), None)[15] == at_15


def test_the_pixels_own_errors_spread_the_share() -> None:
    sigma = np.full((32, 32), 3.0, np.float32)
    low, high = steep_ranges(wall(12), UpEstimate(UP, "rig"), sigma)[15]
    assert low == 0
    assert high == pytest.approx(0.159, abs=0.01)  # of a Gaussian beyond one sigma


def test_pixels_without_a_normal_do_not_count() -> None:
    half = wall(12).copy()
    half[16:] = np.nan
    assert steep_ranges(half, UpEstimate(UP, "rig"), None)[10] == (1.0, 1.0)
    assert steep_ranges(np.full((8, 8, 3), np.nan), UpEstimate(UP, "rig"), None) == {}


def test_of_ground_near_the_limit_half_is_called_flatter() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(15, 2, (400, 400)).astype(np.float32)
    sigma = np.full_like(true, 0.5)
    told = true + sigma * rng.standard_normal(true.shape, np.float32)
    real = np.mean(told[true > 15] < 15)
    assert called_flatter(told, sigma)[15] == pytest.approx(real, abs=0.01)
    assert real == pytest.approx(0.08, abs=0.01)
    # A flat map of rough ground, and one that is sure.
    assert called_flatter(np.full_like(true, 12), np.full_like(true, 6))[15] == 1
    assert called_flatter(true, np.full_like(true, 1e-4))[15] < 1e-3


def test_nothing_is_said_of_steep_ground_that_there_is_not() -> None:
    flat, sure = np.full((64, 64), 3.0, np.float32), np.full((64, 64), 0.5, np.float32)
    assert set(called_flatter(flat, sure)) == set()
    flat[:, :32] = np.nan
    assert called_flatter(flat + 14, sure)[15] == pytest.approx(0, abs=1e-3)
