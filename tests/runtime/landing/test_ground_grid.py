"""A view becomes heights on the ground."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.landing.ground_grid import GroundGrid, ground_grid
from lunar_runtime.landing.local_frame import MOON_RADIUS_M, fall, level_frame

from .scenes import CAMERA, Ground, seen


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray(0.2 * x - 0.1 * y)


def heights_of(grid: GroundGrid, ground: Ground) -> np.ndarray:
    """What the grid ought to hold: above its origin, less the Moon's curvature."""
    x, y = np.meshgrid(*grid.centres())
    origin = 100.0 - grid.frame.camera_height_m
    return np.asarray(ground(x, y) - origin + fall(x, y))


@pytest.mark.parametrize("tilt_deg", [0.0, 25.0, 50.0])
def test_a_plane_keeps_its_heights_whatever_the_view(tilt_deg: float) -> None:
    grid = ground_grid(seen(plane, tilt_deg=tilt_deg))
    assert np.isfinite(grid.height).mean() > 0.5  # an oblique view's trapezoid fills half a square
    # 1e-4 of the distance of neighbouring pixels: float32 has 1e-5 m at 100 m
    assert np.nanmax(np.abs(grid.height - heights_of(grid, plane))) < 5e-3


def test_a_rough_surface_is_sampled_at_the_centres_of_the_cells() -> None:
    def waves(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.sin(x / 4) * np.cos(y / 5))

    grid = ground_grid(seen(waves, tilt_deg=20.0))
    error = np.abs(grid.height - heights_of(grid, waves))
    # Between pixels 0.5 m apart a wave of 4 m curvature radius is 0.03 m off a chord at most.
    assert np.nanmax(error) < 0.05
    assert np.nanmedian(error) < 0.005


def test_the_higher_of_two_surfaces_counts_and_what_it_hides_is_a_hole() -> None:
    def cliff(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.where(y > 40, 0.0, 20.0) + 0 * x)  # the near side is high

    grid = ground_grid(seen(cliff, tilt_deg=35.0))
    x, y = np.meshgrid(*grid.centres())
    truth = heights_of(grid, cliff)
    wrong = np.abs(grid.height - truth) > 0.1
    edge = np.abs(y - 40) < 2 * np.nanmax(grid.spacing_m)
    assert not wrong[~edge].any()
    # The ray over the edge, 40 m ahead and 80 m below the camera, meets the ground at 50 m.
    hidden = (y > 42) & (y < 49) & (np.abs(x) < 5)
    assert hidden.sum() > 10
    assert np.isnan(grid.height[hidden]).all()


def test_cells_have_the_side_that_was_asked_for_and_count_their_pixels() -> None:
    fine, coarse = (ground_grid(seen(plane), cell) for cell in (0.5, 2.0))
    assert (fine.cell_m, coarse.cell_m) == (0.5, 2.0)
    assert np.nanmedian(coarse.samples) == pytest.approx(16 * np.nanmedian(fine.samples), rel=0.02)
    assert np.nanmedian(fine.samples) == pytest.approx(1.0, rel=0.1)  # 100 m / 200 px


def test_without_a_wish_cells_are_as_wide_as_pixels_on_the_ground() -> None:
    assert ground_grid(seen(plane)).cell_m == pytest.approx(0.5, rel=0.05)


def test_a_draw_moves_heights_along_the_rays() -> None:
    source = seen(plane, tilt_deg=30.0)
    draws = np.full((1, 80, 80), 1e-3, np.float32)
    grid = ground_grid(source._replace(draws=draws))
    moved = ground_grid(source._replace(points=source.points * np.float32(1.001)), grid.cell_m)
    x, y = np.meshgrid(*grid.centres())
    # The farther surface is the plane z = 0.2 x - 0.1 y - 0.1 m, whose frame may lie elsewhere.
    at_x, at_y = np.meshgrid(*moved.centres())
    shift = moved.height - (0.2 * at_x - 0.1 * at_y + fall(at_x, at_y))
    before = grid.height - (0.2 * x - 0.1 * y + fall(x, y))
    fallen = np.nanmedian(shift) - moved.frame.camera_height_m
    fallen -= np.nanmedian(before) - grid.frame.camera_height_m
    assert np.nanmedian(grid.errors[0]) == pytest.approx(fallen, rel=0.02)
    assert np.nanstd(grid.errors[0]) < 0.02 * abs(fallen)


def test_invalid_pixels_are_holes_and_nothing_is_made_up() -> None:
    source = seen(plane)
    source.points[60:80, 60:90] = np.nan
    grid = ground_grid(source)
    x, y = np.meshgrid(*grid.centres())
    column = x / (100.0 - plane(x, y)) * 200 + CAMERA.cx
    row = -y / (100.0 - plane(x, y)) * 200 + CAMERA.cy
    inside = (column > 61) & (column < 89) & (row > 61) & (row < 79)
    assert np.isnan(grid.height[inside]).all()
    assert (grid.samples[inside] == 0).all()


def test_the_moon_falls_away() -> None:
    assert fall(np.array(10_000.0), np.array(0.0)) == pytest.approx(1e8 / 2 / MOON_RADIUS_M)


def test_frame_and_camera_agree_both_ways() -> None:
    points = seen(plane, tilt_deg=30.0).points[::20, ::20]
    frame = level_frame(points, [0, -np.sin(np.pi / 6), -np.cos(np.pi / 6)])
    back = np.stack(frame.to_camera(*frame.from_camera(points)), axis=-1)
    assert np.abs(back - points).max() < 1e-3


def test_a_view_of_nothing_is_refused() -> None:
    source = seen(plane)
    empty = source._replace(points=np.full_like(source.points, np.nan))
    with pytest.raises(InputError, match="there is no ground to map"):
        ground_grid(empty)
    with pytest.raises(UsageError, match="give a smaller cell"):
        ground_grid(source, 50.0)
    for cell_m in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="needs to be a positive length"):
            ground_grid(source, cell_m)


def test_what_stands_between_the_centres_of_wide_cells_is_the_cells_highest() -> None:
    def peg(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return plane(x, y) + np.where(np.hypot(x - 10.4, y + 7.6) < 1.2, 3.0, 0.0)

    grid = ground_grid(seen(peg), 4.0)
    out = grid.highest - heights_of(grid, plane)
    x, y = np.meshgrid(*grid.centres())
    near = np.hypot(x - 10.4, y + 7.6) < 3.0
    assert np.nanmax(out[near]) == pytest.approx(3.0, abs=0.1)
    assert np.nanmax(np.abs(out[np.hypot(x - 10.4, y + 7.6) > 5.0])) < 0.02
    smooth = ground_grid(seen(plane), 4.0)
    assert np.nanmax(np.abs(smooth.highest - smooth.height)) < 0.01
