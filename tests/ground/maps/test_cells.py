"""Cells of a view's own frame: aligned, and each at the ground's height."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_ground.maps.cells import _apart, _smooth, local_cells
from lunar_ground.maps.projection import Array, Projection
from lunar_runtime.landing.ground_grid import ground_grid
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from runtime.landing.scenes import seen


@pytest.mark.parametrize("tilt_deg", [0.0, 25.0])
def test_a_plane_is_one_at_every_cell(tilt_deg: float) -> None:
    source = seen(lambda x, y: 0.2 * x - 0.1 * y, tilt_deg=tilt_deg)
    cells = local_cells(source, 0.7)
    assert cells.west_m == pytest.approx(round(cells.west_m / 0.7) * 0.7)
    assert cells.north_m == pytest.approx(round(cells.north_m / 0.7) * 0.7)
    rows, columns = cells.height.shape
    x = cells.west_m + 0.7 * (np.arange(columns) + 0.5)
    y = cells.north_m - 0.7 * (np.arange(rows)[:, None] + 0.5)
    # Below the camera the plane is at 0, and the origin at the median of what is seen.
    level = float(np.nanmedian(cells.height - (0.2 * x - 0.1 * y)))
    error = cells.height - (0.2 * x - 0.1 * y) - level
    assert np.isfinite(error).mean() > 0.6
    assert np.nanmax(np.abs(error)) < 0.01  # float32 at 100 m, and the Moon falls by 3 mm at 100 m


def test_of_a_step_the_upper_edge_counts_and_what_it_hides_is_a_hole() -> None:
    source = seen(lambda x, y: np.where(x > 10, 20.0, 0.0))
    cells = local_cells(source, 0.7)
    x = cells.west_m + 0.7 * (np.arange(cells.height.shape[1]) + 0.5)
    height = cells.height - np.nanmin(cells.height)
    # The camera is at x = 0, 100 m up: the wall faces it, and hides nothing.
    upper, lower = height[:, x > 11.5], height[:, (x < 8.5) & (x > -20)]
    assert np.nanmax(np.abs(upper - 20)) < 0.05 and np.nanmax(np.abs(lower)) < 0.05
    away = seen(lambda x, y: np.where(x < 10, 20.0, 0.0))  # now the upper ground hides the lower
    hidden = local_cells(away, 0.7)
    x = hidden.west_m + 0.7 * (np.arange(hidden.height.shape[1]) + 0.5)
    # From 100 m the edge at (10, 20) hides x up to 12.5.
    assert np.isnan(hidden.height[20:-20, (x > 10.7) & (x < 11.8)]).all()


def test_heights_are_those_of_the_landing_grid() -> None:
    source = seen(lambda x, y: np.sin(x / 6) + np.cos(y / 5), tilt_deg=15)
    grid, cells = ground_grid(source, 0.7), local_cells(source, 0.7)
    xs, ys = grid.centres()
    column = np.floor((xs - cells.west_m) / 0.7).astype(int)
    row = np.floor((cells.north_m - ys) / 0.7).astype(int)
    inside = (column >= 0) & (column < cells.height.shape[1])
    within = (row >= 0) & (row < cells.height.shape[0])
    other = cells.height[np.ix_(row[within], column[inside])]
    # Centres are apart by half a cell at most, on slopes to 0.26.
    assert np.nanmax(np.abs(other - grid.height[np.ix_(within, inside)])) < 0.35 * 0.45
    assert np.isfinite(other).mean() > np.isfinite(grid.height).mean() - 0.02


def test_rays_between_those_that_are_computed_are_a_ten_thousandth_of_a_cell_off() -> None:
    projection = Projection("orthographic", 10.0, 77.0)
    for cell_m, apart in ((0.5, 8), (40.0, 4), (150.0, 2), (300.0, 1)):
        assert _apart(cell_m) == apart
        x: Array = 9000 + cell_m * np.arange(101, dtype=np.float64)
        y: Array = -7000 - cell_m * np.arange(60, dtype=np.float64)

        def level(x: Array, y: Array) -> Array:  # from the middle, as the frame's origin is
            rays = MOON_RADIUS_M * projection.backward(x, y)
            middle = MOON_RADIUS_M * projection.backward(np.array(9000.0), np.array(-7000.0))
            return rays - middle[:, None, None]

        found = _smooth(level, x, y, apart)
        for plane, true in zip(found, level(x, y[:, None]), strict=True):
            assert plane.shape == (60, 101)
            # and what float32 has at their distance
            assert np.abs(plane - true).max() < 1.1e-4 * cell_m + 1e-7 * np.abs(true).max()
