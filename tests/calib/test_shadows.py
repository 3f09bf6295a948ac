from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.render.renderer import sun_vector
from lunar_calib.render.shadows import cast_shadows

from .conftest import terrain_of

N, CELL, HEIGHT = 256, 10.0, 100.0


@pytest.mark.parametrize(
    ("azimuth_deg", "elevation_deg"), [(90, 30), (270, 30), (0, 45), (180, 20), (60, 30), (215, 15)]
)
def test_a_tower_casts_a_shadow_of_its_height_over_the_tangent(
    azimuth_deg: float, elevation_deg: float
) -> None:
    height = np.zeros((N, N))
    height[126:131, 126:131] = HEIGHT
    sun = sun_vector(azimuth_deg, elevation_deg)
    field = cast_shadows(terrain_of(height, CELL), (40, 215, 40, 215), sun)
    length = HEIGHT / np.tan(np.radians(elevation_deg)) / CELL
    away = -sun[:2] / np.hypot(*sun[:2])
    # From the tower's middle; its edges are within 2 √2 nodes, the shadow's tip is that uncertain.
    distances = np.array([length - 4, length + 4.5], np.float32)
    u = (128 + away[0] * distances).astype(np.float32)[None]
    v = (128 + away[1] * distances).astype(np.float32)[None]
    np.testing.assert_array_equal(field.sunlit_fraction(u, v), [[0, 1]])


def test_flat_ground_is_fully_lit() -> None:
    field = cast_shadows(terrain_of(np.zeros((64, 64)), CELL), (5, 50, 5, 50), sun_vector(77, 5))
    grid = np.full((4, 4), 20.3, np.float32)
    np.testing.assert_array_equal(field.sunlit_fraction(grid, grid), 1)


def test_a_window_over_the_seam_sees_the_same_shadow() -> None:
    height = np.zeros((N, N))
    height[126:131, 126:131] = HEIGHT
    sun = sun_vector(100, 25)
    middle = cast_shadows(terrain_of(height, CELL), (90, 160, 90, 160), sun)
    moved = terrain_of(np.roll(height, (128, 128), (0, 1)), CELL)
    seam = cast_shadows(moved, (218, 288, 218, 288), sun)
    np.testing.assert_allclose(seam.clearance_m, middle.clearance_m, atol=1e-3)
