"""The map as a grid: what more views make of its expected errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from lunar_runtime.fusion.datum import Datum
from lunar_runtime.fusion.layer import Layer
from lunar_runtime.fusion.map_grid import ALIKE, MapGrid, layer_grid
from lunar_runtime.fusion.tiles import SIDE, Window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.landing.ground_grid import GroundGrid
from lunar_runtime.landing.hazards import Errors, Hazards, find_hazards
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.local_frame import LocalFrame
from numpy.typing import NDArray

DRAWS, VIEWS = 8, 16
WINDOW = Window(0, -1, -1, 1, 1)
RANDOM = np.random.default_rng(3)
#: Of a camera 100 m above the map's origin that looks down.
FRAME = LocalFrame(np.array([0, 0, 100.0]), np.diag([1.0, -1.0, -1.0]))


def gridded(errors: NDArray[np.float32], views: float) -> MapGrid:
    """Level ground that so many equally good views saw."""
    layer = Layer.empty(DRAWS, 2 * SIDE, 2 * SIDE)
    layer.weight[:], layer.squares[:] = views, views
    layer.votes[:], layer.spacing[:] = views, 1.0
    layer.errors[:] = errors
    datum = Datum(np.zeros(3), np.zeros(5), np.ones(5), np.zeros((DRAWS, 5)))
    return layer_grid(layer, WINDOW, datum, FRAME, Intrinsics(100, 100, 64, 64))


def noise() -> NDArray[np.float32]:
    return RANDOM.normal(0, 0.1, (DRAWS, 2 * SIDE, 2 * SIDE)).astype(np.float32)


def test_what_all_cells_err_by_is_not_multiplied_by_the_views() -> None:
    y, x = np.mgrid[: 2 * SIDE, : 2 * SIDE] / SIDE - 1
    level, tilt, bend = RANDOM.normal(0, 1, (3, DRAWS, 1, 1))
    shared = (level + tilt * x + bend * x * y).astype(np.float32)
    np.testing.assert_allclose(gridded(shared, VIEWS).ground.errors, shared, atol=1e-3)
    own = noise()
    both = gridded(shared + own, VIEWS).ground.errors
    factor = math.sqrt(1 + ALIKE * (VIEWS - 1))
    assert np.std(both - shared) == pytest.approx(factor * np.std(own), rel=0.01)


@pytest.mark.parametrize(("views", "left"), [(1, 1.0), (4, 0.74), (16, 0.66)])
def test_views_leave_of_a_views_errors_what_they_have_in_common(views: int, left: float) -> None:
    np.testing.assert_allclose(gridded(noise(), views).left, left, atol=0.005)


def test_a_view_of_little_ground_has_only_errors_of_its_own() -> None:
    own = np.zeros((DRAWS, 2 * SIDE, 2 * SIDE), np.float32)
    own[:, :2, :2] = 1
    layer = Layer.empty(DRAWS, 2 * SIDE, 2 * SIDE)
    layer.weight[:2, :2] = layer.squares[:2, :2] = 4
    layer.votes[:2, :2] = 4
    layer.errors[:] = own
    datum = Datum(np.zeros(3), np.zeros(5), np.ones(5), np.zeros((DRAWS, 5)))
    grid = layer_grid(layer, WINDOW, datum, FRAME, Intrinsics(100, 100, 64, 64)).ground
    np.testing.assert_allclose(grid.errors[:, :2, :2], math.sqrt(1 + 3 * ALIKE), rtol=1e-5)


def hazards(grid: GroundGrid, lost_px: float | NDArray[np.float32]) -> Hazards:
    lander = Lander(
        footprint_diameter_m=10, slope_limit_deg=10, roughness_limit_m=0.5, pad_diameter_m=1
    )
    return find_hazards(grid, grid.measured, lander, Errors(roughness_px=lost_px))


def test_tops_may_be_lost_to_another_extent_in_every_cell() -> None:
    grid = gridded(np.zeros((DRAWS, 1, 1), np.float32), 1).ground
    px = np.full(grid.shape, 0.3, np.float32)
    px[:, SIDE:] = 0.6
    found = hazards(grid, px).roughness_sigma_m
    half = found.shape[1] // 2
    np.testing.assert_allclose(found[8:-8, 8 : half - 8], 0.3, rtol=1e-5)
    np.testing.assert_allclose(found[8:-8, half + 8 : -8], 0.6, rtol=1e-5)
    np.testing.assert_array_equal(
        hazards(grid, 0.3).roughness_sigma_m,
        hazards(grid, np.full(grid.shape, 0.3, np.float32)).roughness_sigma_m,
    )
