"""What an error of up does to slopes, and to how sure a place is."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from lunar_runtime.landing.hazards import MISSED, Errors, find_hazards
from lunar_runtime.landing.stance import Centres, pad_ground, pad_heights, stand

from .scenes import FOUR, flat_grid, plane


def test_slopes_are_measured_from_any_level() -> None:
    """Ground of 12 degrees, seen from an up that leans by 5: 7 and 17, and acos of a product."""
    planes = stand(pad_heights(pad_ground(plane(12.0, 0.0).astype(np.float32), FOUR, 1.0), FOUR,
                               1.0, Centres((41, 41), 20)), FOUR.pad_radius_m)  # fmt: skip
    lean = math.tan(math.radians(5.0))
    across = math.degrees(math.acos(math.cos(math.radians(12)) * math.cos(math.radians(5))))
    for level, wanted in (((lean, 0.0), 7.0), ((-lean, 0.0), 17.0), ((0.0, lean), across)):
        slope = np.degrees(np.arctan(planes.slope(level)[:, 1, 1]))
        assert slope == pytest.approx(wanted, abs=1e-3)


def test_an_error_of_up_is_in_slopes_along_their_dip_and_in_no_roughness() -> None:
    ground = plane(8.0, 30.0)
    ground[20, 20] += 0.2
    for draws in (0, 8):
        grid = replace(flat_grid(ground), errors=np.zeros((draws, 41, 41), np.float32))
        known = np.ones(grid.shape, np.bool_)
        sure, exact, tilted = (
            find_hazards(grid, known, FOUR, errors)
            for errors in (Errors(), Errors(up_deg=0.0), Errors(up_deg=1.0))
        )
        np.testing.assert_array_equal(sure.safe_probability, exact.safe_probability)
        assert np.nanmax(exact.slope_sigma_deg) == 0
        inner = np.isfinite(sure.slope_deg)
        # Half of the square lies along the dip; across it the square of the tilt over the slope
        # adds 0.004 degrees.
        assert tilted.slope_sigma_deg[inner] == pytest.approx(math.sqrt(0.5), abs=0.01)
        np.testing.assert_array_equal(sure.roughness_sigma_m, tilted.roughness_sigma_m)


def test_errors_of_up_and_of_the_surface_add_up_by_their_squares() -> None:
    leans = plane(1.0, 30.0).astype(np.float32) * np.array([1, -1], np.float32)[:, None, None]
    grid = replace(flat_grid(plane(8.0, 30.0)), errors=leans)
    known = np.ones(grid.shape, np.bool_)
    own = float(np.nanmedian(find_hazards(grid, known, FOUR).slope_sigma_deg))
    both = find_hazards(grid, known, FOUR, Errors(up_deg=1.0)).slope_sigma_deg
    # The slope's second order in the tilts adds a percent.
    assert float(np.nanmedian(both)) == pytest.approx(math.hypot(own, math.sqrt(0.5)), rel=0.02)


def test_near_the_limit_places_are_less_sure_the_less_up_is() -> None:
    grid = flat_grid(plane(9.2, 30.0))
    found = [
        find_hazards(grid, np.ones(grid.shape, np.bool_), FOUR, Errors(up_deg=sigma))
        for sigma in (0.0, 0.3, 0.6, 1.2, 2.4)
    ]
    inner = np.isfinite(found[0].slope_deg)
    sure = [float(np.median(hazards.safe_probability[inner])) for hazards in found]
    assert sure[0] == pytest.approx(1 - MISSED)
    assert all(more > less + 0.002 for more, less in pairwise(sure))
    assert sure[-1] > (1 - MISSED) / 2
