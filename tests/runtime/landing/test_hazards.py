"""Slope, roughness and class of known ground."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from lunar_runtime.errors import UsageError
from lunar_runtime.landing.hazards import (
    HAZARDOUS,
    MISSED,
    SAFE,
    UNKNOWN,
    Errors,
    Hazards,
    find_hazards,
)
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.sites import Places
from lunar_runtime.landing.stance import pad_directions
from numpy.typing import NDArray

from .scenes import FOUR, flat_grid, plane

THREE = Lander(
    footprint_diameter_m=10, pads=3, pad_diameter_m=0.5, slope_limit_deg=10, roughness_limit_m=0.3
)


def of(height: NDArray[np.floating], lander: Lander = FOUR, cell_m: float = 1.0) -> Hazards:
    grid = flat_grid(height, cell_m)
    return find_hazards(grid, np.isfinite(grid.height), lander)


@pytest.mark.parametrize("lander", [THREE, FOUR])
@pytest.mark.parametrize("azimuth_deg", [0.0, 17.0, 45.0, 200.0])
def test_a_plane_has_its_slope_and_no_roughness_whichever_way_it_falls(
    lander: Lander, azimuth_deg: float
) -> None:
    hazards = of(plane(7.0, azimuth_deg), lander)
    inner = np.isfinite(hazards.slope_deg)
    assert inner.mean() > 0.4
    assert np.abs(hazards.slope_deg[inner] - 7.0).max() < 1e-3
    assert hazards.roughness_m[inner].max() < 1e-3
    assert (hazards.classes[inner] == SAFE).all()
    assert (hazards.classes[~inner] == UNKNOWN).all()


def test_steep_ground_is_hazardous() -> None:
    hazards = of(plane(12.0, 30.0))
    inner = np.isfinite(hazards.slope_deg)
    assert (hazards.classes[inner] == HAZARDOUS).all()
    assert hazards.safe_probability[inner].max() < 1e-6


def test_a_boulder_between_the_pads_is_roughness_and_under_a_pad_slope() -> None:
    ground = np.zeros((41, 41))
    ground[20, 20] = 0.5
    hazards = of(ground)
    at = 20 // hazards.centres.stride
    assert hazards.centres.stride * at == 20
    assert hazards.roughness_m[at, at] == pytest.approx(0.5)
    assert hazards.slope_deg[at, at] == 0
    # A pad 5 m from the axis stands on it: its diagonal rises 0.5 m on 10 m, and the vehicle tips
    # to one of the others, 0.5 m lower in twice 5 m.
    under_pad = hazards.slope_deg[at, at - 2] if hazards.centres.stride == 2 else math.nan
    beside = of(np.roll(ground, 5, axis=1)).slope_deg[at, at]
    assert beside == pytest.approx(math.degrees(math.atan(math.hypot(0.05, 0.05))), abs=1e-3)
    assert np.isfinite(under_pad)


def test_ground_below_the_roughness_limit_may_touch_the_underside() -> None:
    ground = np.zeros((41, 41))
    ground[20, 20] = 0.25
    at = 20 // of(ground).centres.stride
    low = msgspec.structs.replace(FOUR, clearance_m=0.2)
    high = msgspec.structs.replace(FOUR, clearance_m=0.8)
    assert of(ground, FOUR).classes[at, at] == of(ground, high).classes[at, at] == SAFE
    assert of(ground, low).classes[at, at] == HAZARDOUS
    assert (low.rise_limit_m, high.rise_limit_m) == (0.2, 0.3)


@pytest.mark.parametrize("lander", [THREE, FOUR])
@pytest.mark.parametrize("turn_deg", [0.0, 13.0, 30.0])
def test_in_a_crater_the_vehicle_leans_to_its_middle_by_the_bowls_own_slope(
    lander: Lander, turn_deg: float
) -> None:
    # All pads of a bowl z = k r^2 lie in one plane: of slope 2 k d at d from the middle, whatever
    # the heading. Ground over it is at the footprint's edge: k (5^2 - 4^2).
    k, cell, middle, away = 0.01, 0.25, 80, 6.0
    bowl = msgspec.structs.replace(lander, pad_circle_diameter_m=8, pad_diameter_m=0.25)
    at = np.array([math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))])
    y, x = np.mgrid[80:-81:-1, -80:81] * cell
    ground = k * ((x + away * at[0]) ** 2 + (y + away * at[1]) ** 2)
    hazards = of(ground, bowl, cell)
    stride = hazards.centres.stride
    assert middle % stride == 0
    centre = middle // stride, middle // stride
    slope = 2 * k * away
    # Bilinear heights lie k cell^2 / 4 = 0.0002 m too high at most.
    assert hazards.slope_deg[centre] == pytest.approx(math.degrees(math.atan(slope)), abs=0.02)
    assert hazards.roughness_m[centre] == pytest.approx(
        k * (25 - 16) / math.hypot(1, slope), abs=0.003
    )
    assert hazards.classes[centre] == SAFE
    steep = of(ground * 1.6, bowl, cell)  # 10.9 degrees, the limit is 10
    assert steep.classes[centre] == HAZARDOUS


def test_a_step_tilts_the_vehicle_that_stands_across_it() -> None:
    ground = np.zeros((41, 41))
    ground[:, 21:] = 1.0
    hazards = of(ground)
    stride = hazards.centres.stride
    row = 20 // stride
    at = {
        column * stride: hazards.slope_deg[row, column] for column in range(len(hazards.slope_deg))
    }
    assert at[12] == at[30] == 0  # beside the step
    # Of the headings, the one with two pads on either side: 1 m between rows of pads 7.07 m apart.
    assert np.nanmax(list(at.values())) >= math.degrees(
        math.atan(1 / (10 * math.cos(math.radians(22.5))))
    )
    assert (hazards.classes[row, 16 // stride : 26 // stride] == HAZARDOUS).all()


def test_a_hole_under_the_vehicle_is_unknown_if_it_is_larger_than_tolerated() -> None:
    ground = np.zeros((41, 41))
    ground[20, 20] = np.nan
    one = of(ground)
    at = 20 // one.centres.stride
    assert one.classes[at, at] == UNKNOWN  # its own centre
    assert one.classes[at, at - 1] == SAFE  # one cell of 79 is 1.3 %
    ground[18:23, 18:23] = np.nan
    many = of(ground)
    assert many.classes[at, at - 1] == UNKNOWN
    assert many.unknown_share[at, at] == pytest.approx(25 / 81, abs=0.01)


def test_turning_the_ground_by_a_right_angle_turns_the_result() -> None:
    rng = np.random.default_rng(3)
    ground = rng.normal(0, 0.2, (41, 41))
    straight, quarter = of(ground), of(np.rot90(ground).copy())
    for name in ("slope_deg", "roughness_m", "safe_probability"):
        a, b = np.rot90(getattr(straight, name)), getattr(quarter, name)
        assert np.allclose(a, b, atol=1e-3, equal_nan=True)


def slowly(
    ground: NDArray[np.float64], lander: Lander, row: int, column: int
) -> tuple[float, float]:
    """Slope and roughness at a centre, from the definition: every pose that touches, no algebra."""

    def height(y: float, x: float) -> float:
        r, c = math.floor(y), math.floor(x)
        v, u = y - r, x - c
        rows, columns = min(r + 1, 40), min(c + 1, 40)
        near = ground[r, c] * (1 - u) + ground[r, columns] * u
        return float(near * (1 - v) + (ground[rows, c] * (1 - u) + ground[rows, columns] * u) * v)

    radius = lander.footprint_diameter_m / 2
    slope, rough = 0.0, 0.0
    for pads in pad_directions(lander.pads) * radius:
        points = np.array([[x, y, height(row - y, column + x)] for x, y in pads])
        for left_out in range(len(points)) if lander.pads == 4 else [None]:
            three = points if left_out is None else np.delete(points, left_out, axis=0)
            a, b, c = np.linalg.solve(np.column_stack([three[:, :2], np.ones(3)]), three[:, 2])
            if (
                left_out is not None
                and points[left_out, 2]
                > a * points[left_out, 0] + (b * points[left_out, 1] + c) + 1e-9
            ):
                continue  # the fourth pad would be in the ground
            slope = max(slope, math.degrees(math.atan(math.hypot(a, b))))
            for y in range(-5, 6):
                for x in range(-5, 6):
                    if x * x + y * y <= radius * radius:
                        above = ground[row - y, column + x] - (a * x + b * y + c)
                        rough = max(rough, above / math.sqrt(1 + a * a + b * b))
    return slope, rough


@pytest.mark.parametrize("lander", [THREE, FOUR])
def test_rough_ground_agrees_with_a_slow_evaluation_of_the_definition(lander: Lander) -> None:
    rng = np.random.default_rng(1)
    ground = rng.normal(0, 0.15, (41, 41)) + plane(3.0, 40.0)
    lander = Lander(
        footprint_diameter_m=10, pads=lander.pads, pad_diameter_m=0.5, slope_limit_deg=30,
        roughness_limit_m=2,
    )  # fmt: skip
    hazards = of(ground, lander)
    stride = hazards.centres.stride
    for row in range(12, 30, 2 * stride):
        for column in range(12, 30, 3 * stride):
            slope, rough = slowly(ground, lander, row, column)
            at = row // stride, column // stride
            # Bilinear weights are 1/32 steps in OpenCV's warps: 0.03 of 0.3 m between cells.
            assert hazards.slope_deg[at] == pytest.approx(slope, abs=0.1)
            assert hazards.roughness_m[at] == pytest.approx(rough, abs=0.03)


def test_errors_that_all_cells_share_do_not_matter_and_a_tilt_does() -> None:
    grid = flat_grid(plane(5.0, 0.0))
    known = np.ones(grid.shape, np.bool_)
    shared = np.ones((2, *grid.shape), np.float32) * np.array([1, -1], np.float32)[:, None, None]
    tilt = plane(1.0, 0.0).astype(np.float32) * np.array([1, -1], np.float32)[:, None, None]

    def sigma(errors: NDArray[np.float32]) -> float:
        moved = flat_grid(plane(5.0, 0.0)).__class__(**{**vars(grid), "errors": errors})
        return float(np.nanmedian(find_hazards(moved, known, FOUR).slope_sigma_deg))

    assert sigma(shared) == pytest.approx(0, abs=1e-3)
    assert sigma(tilt) == pytest.approx(1.0, rel=0.02)


def test_the_probability_of_a_slope_at_its_limit_is_one_half() -> None:
    grid = flat_grid(plane(10.0, 0.0))
    hazards = find_hazards(grid, np.ones(grid.shape, np.bool_), FOUR, Errors(slope_deg=2.0))
    inner = np.isfinite(hazards.slope_deg)
    assert hazards.safe_probability[inner] == pytest.approx((1 - MISSED) / 2, abs=1e-3)
    assert (hazards.classes[inner] != SAFE).all()
    gentle = find_hazards(flat_grid(plane(6.0, 0.0)), np.ones(grid.shape, np.bool_), FOUR,
                          Errors(slope_deg=2.0))  # fmt: skip
    # Student's t of 3 degrees of freedom, at 4 degrees of slope in units of 0.64 times 2
    t = 4 / (0.64 * 2) / math.sqrt(3)
    wanted = (1 - MISSED) * (0.5 + (t / (1 + t * t) + math.atan(t)) / math.pi)
    assert gentle.safe_probability[inner] == pytest.approx(wanted, abs=1e-3)


def test_a_footprint_larger_than_the_view_is_refused() -> None:
    with pytest.raises(UsageError, match="larger than the view"):
        of(np.zeros((8, 40)))


@pytest.mark.parametrize("abundance", [None, 0.0, 0.001, 0.05])
def test_a_footprint_too_small_to_see_into_is_unknown_whatever_is_told_of_rocks(
    abundance: float | None,
) -> None:
    small = Lander(footprint_diameter_m=2, slope_limit_deg=10, roughness_limit_m=0.3,
                   rock_abundance=abundance)  # fmt: skip
    hidden = of(np.zeros((30, 30)), small)
    assert (hidden.classes == UNKNOWN).all()
    assert np.isnan(hidden.safe_probability).all()


def test_rocks_too_small_to_see_make_a_place_less_sure_by_their_law() -> None:
    silent = Lander(footprint_diameter_m=4, slope_limit_deg=10, roughness_limit_m=0.3)
    told = msgspec.structs.replace(silent, rock_abundance=0.05)
    flat = np.zeros((30, 30))
    inner = slice(10, 20)
    assert of(flat, silent).safe_probability[inner, inner] == pytest.approx(1 - MISSED, abs=1e-3)
    # Golombek: q = 1.79 + 0.152 / 0.05 = 4.83 a metre; rocks of 0.6 to 3 m on 12.57 m2
    diameters = np.linspace(0.6, 3, 100_001)
    law = 0.05 * 4.83 * np.exp(-4.83 * diameters) / (math.pi / 4 * diameters**2)
    expected = 4 * math.pi * np.sum((law[1:] + law[:-1]) / 2 * np.diff(diameters))
    assert of(flat, told).safe_probability[inner, inner] == pytest.approx(
        (1 - MISSED) * math.exp(-expected), abs=1e-3
    )


def test_sites_are_safe_apart_and_the_best_is_far_from_hazards() -> None:
    ground = np.zeros((121, 121))
    ground[::7, :60] = 2.0
    grid = flat_grid(ground)
    hazards = find_hazards(grid, np.ones(grid.shape, np.bool_), FOUR)
    sites = Places.of(grid, hazards, FOUR).ranked()
    assert len(sites) >= 3
    assert all(site.x_m > 60 for site in sites)
    for rank, site in enumerate(sites):  # nobody needs an alternative on the same safe ground
        for other in sites[rank + 1 :]:
            gap = math.dist((site.x_m, site.y_m), (other.x_m, other.y_m))
            assert gap >= max(20, site.margin_m)
    assert sites[0].margin_m > 20
    assert sites[0].margin_m == max(site.margin_m for site in sites)
    aimed = Places.of(grid, hazards, FOUR, aim=(70.0, 70.0)).ranked()
    assert aimed[0].divert_m is not None
    assert aimed[0].divert_m < math.dist((sites[0].x_m, sites[0].y_m), (70, 70))
