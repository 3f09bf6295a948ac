"""A vehicle on a map: the same files as a single result's, and a site that stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.fusion.fused_landing import FusedLanding
from lunar_runtime.fusion.posed_view import PoseSigma, posed_view
from lunar_runtime.fusion.site_choice import PATIENCE, SiteChoice
from lunar_runtime.landing.hazards import find_hazards
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.sites import Places
from lunar_runtime.report.outputs import write_result
from numpy.typing import NDArray

from ..landing.scenes import flat_grid
from ..results import network_result, refined_result

FOUR = Lander(
    footprint_diameter_m=10, pad_diameter_m=0.5, slope_limit_deg=10, roughness_limit_m=0.3
)
SIGMA = PoseSigma(0.5, 0.05)


def world() -> NDArray[np.float64]:
    """Level, z up, with its origin on the ground below the camera."""
    result = refined_result()
    up = np.asarray(result.up.vector, np.float64)
    x = np.array([1.0, 0, 0]) - up[0] * up
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(up, x), up])
    pose[2, 3] = -float(np.nanmedian(result.pointmap_left @ up.astype(np.float32)))
    return pose


def lander_for(result_width_m: float) -> Lander:
    return Lander(
        footprint_diameter_m=result_width_m / 10,
        slope_limit_deg=25,
        roughness_limit_m=result_width_m / 20,
        safe_probability=0.7,
    )


def width_m() -> float:
    x = refined_result().pointmap_left[..., 0]
    return float(np.nanmax(x) - np.nanmin(x))


def test_a_map_writes_the_files_of_a_single_result(tmp_path: Path) -> None:
    result = refined_result()
    landings = FusedLanding(lander_for(width_m()))
    for _ in range(2):
        landing = landings.see(result, world(), SIGMA)
    assert landings.update is not None
    assert landings.update.taken == "fused"
    report = write_result(result, tmp_path / "o", landing=landing)
    assert report.landing is not None
    content = json.loads((tmp_path / "o" / "sites.json").read_text())
    assert content["views"] == 2
    assert "the level world of the poses" in content["definitions"]["frame"]
    assert content["sites"]
    axes = np.array(content["frame"]["axes_in_left_camera"])
    np.testing.assert_allclose(axes, landings.update.frame.axes)
    classes = read_raster(tmp_path / "o" / "hazard.tif")
    assert classes.shape == result.depth.shape
    assert (classes == 1).any()
    for site in content["sites"]:
        column, row = site["pixel"]
        there = result.pointmap_left[int(row), int(column)].astype(np.float64)
        x, y, z = (world() @ np.append(there, 1))[:3]
        # The site in the world is where its pixel's point is: to two pixels of ground.
        near = 2 * width_m() / 128
        assert np.hypot(x - site["x_m"], y - site["y_m"]) < near
        assert abs(z - site["height_m"]) < near


def test_what_a_map_does_not_take_is_told(tmp_path: Path) -> None:
    landings = FusedLanding(FOUR)
    result = refined_result()
    with pytest.raises(UsageError, match="a map takes no guess: too dark"):
        guessed = replace(result, verdict="guessed", verdict_reasons=("too dark",))
        landings.see(guessed, world(), SIGMA)
    with pytest.raises(UsageError, match="a map takes refined pairs only"):
        posed_view(replace(network_result(), verdict="measured"), world(), SIGMA)
    with pytest.raises(InputError, match="world_from_left must be a 4 × 4 matrix"):
        landings.see(result, np.eye(3), SIGMA)
    with pytest.raises(InputError, match="world_from_left: the rotation is not orthonormal"):
        landings.see(result, np.diag([2.0, 2, 2, 1]), SIGMA)
    with pytest.raises(InputError, match="give standard deviations, zero or larger"):
        landings.see(result, world(), PoseSigma(-1, 0))
    assert landings.update is None


def places(heights: NDArray[np.float32], sigma_m: float = 0.02) -> Places:
    grid = flat_grid(heights)
    rng = np.random.default_rng(1)
    errors = rng.normal(0, sigma_m, (8, *heights.shape)).astype(np.float32)
    grid = replace(grid, errors=errors)
    return Places.of(grid, find_hazards(grid, np.isfinite(grid.height), FOUR), FOUR)


def two_flats(middle: float) -> NDArray[np.float32]:
    """Two flat fields beside each other, with a wall between them."""
    ground = np.zeros((61, 121), np.float32)
    ground[:, int(middle) : int(middle) + 2] = 5.0
    return ground


def test_the_chosen_site_stays_where_another_is_a_little_better() -> None:
    choice = SiteChoice(FOUR)
    free = []
    for number in range(10):
        # The wall wanders: now the left field is wider, now the right one.
        now = places(two_flats(58 + 4 * (number % 2)))
        free.append(int(np.argmax(now.score)))
        kept = choice.keep(now)
        assert kept is not None
        if number == 0:
            first = kept
        assert kept == first
    moved = np.abs(np.diff([now.x.flat[place] for place in free]))
    assert (moved > 30).all()  # without it the site jumps between the fields every time
    assert choice.changes == 0


def test_a_site_that_turns_hazardous_is_left_at_once() -> None:
    choice = SiteChoice(FOUR)
    ground = two_flats(58)
    first = choice.keep(places(ground))
    assert first is not None and choice.place is not None
    x, y = choice.place
    row, column = int(60 - y), int(x)
    ground[row - 1 : row + 2, column - 1 : column + 2] = 1.0  # a boulder comes out
    second = choice.keep(places(ground))
    assert second is not None and second != first
    assert choice.changes == 1


def test_a_much_better_site_is_taken_when_it_stays_so() -> None:
    choice = SiteChoice(FOUR)
    choice.keep(places(two_flats(20)[:, :40]))  # a narrow view: a site near a wall
    wide = places(two_flats(20))
    for _ in range(PATIENCE - 1):
        assert choice.keep(wide) is not None
        assert choice.changes == 0
    choice.keep(wide)
    assert choice.changes == 1


def test_without_a_safe_place_nothing_is_kept() -> None:
    choice = SiteChoice(FOUR)
    rough = np.random.default_rng(0).normal(0, 3, (61, 61)).astype(np.float32)
    assert choice.keep(places(rough)) is None
    assert choice.place is None
