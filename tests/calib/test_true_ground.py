"""What rendered landings say of their ground, against ground whose every height is a formula."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.render.boulders import boulders_of
from lunar_calib.render.terrain import Terrain, gradient_of, synthesise_terrain
from lunar_calib.render.true_ground import TrueGround, true_ground
from lunar_calib.render.true_hazards import true_hazards
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs.pair_spec import TerrainSpec
from lunar_runtime.landing.hazards import HAZARDOUS, SAFE, UNKNOWN
from lunar_runtime.landing.lander import Lander
from numpy.typing import NDArray

CELL, CELLS = 0.25, 1024
VEHICLE = Lander(
    footprint_diameter_m=10, pad_diameter_m=0.5, slope_limit_deg=10, roughness_limit_m=0.4
)


def landing(
    height: Callable[..., NDArray[Any]] | None = None, boulders: float = 0.0
) -> tuple[RenderedPair, Terrain]:
    """A view from 100 m of ground that is a formula of east and north, metres from the target."""
    spec = sample_spec(7, 128, "stereolunar", "landing")
    ground = TerrainSpec(seed=3, cells=CELLS, cell_m=CELL, boulder_abundance=boulders)
    middle = CELLS * CELL / 2
    along = np.arange(CELLS) * CELL - middle
    values = np.zeros((CELLS, CELLS), np.float32)
    if height is not None:
        values += height(along[None, :], along[:, None]).astype(np.float32)
    for one in boulders_of(ground):
        half = len(one.rise_m) // 2
        aside = np.arange(-half, half + 1)
        values[np.ix_((one.row + aside) % CELLS, (one.column + aside) % CELLS)] += one.rise_m
    terrain = Terrain(ground, values, gradient_of(values, CELL))
    spec = replace(spec, terrain=ground, site_m=(middle, middle), cast_shadows=False)
    return render_pair(spec, terrain), terrain


def test_heights_and_normals_are_those_of_the_formula() -> None:
    def wave(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        return 2 * np.sin(x / 8) + 0.1 * y

    pair, terrain = landing(wave)
    ground = true_ground(pair, terrain)
    x, y = ground.points[..., 0], ground.points[..., 1]
    assert np.isfinite(x).all()
    # Bilinear between nodes: a wave of curvature 2/64 per metre sags by 0.25² / 8 of it, 0.2 mm.
    assert np.abs(ground.height_m - wave(x, y)).max() < 3e-4
    fall = (x * x + y * y) / (2 * 1_737_400)
    # Rays end within 3 mm of the surface.
    assert np.abs(ground.points[..., 2] - (ground.height_m - fall)).max() < 3.5e-3
    slopes = np.stack([-np.cos(x / 8) / 4, np.full_like(x, -0.1), np.ones_like(x)], axis=-1)
    normal = slopes / np.linalg.norm(slopes, axis=-1, keepdims=True)
    # A cell's slope is that of its middle: within half a cell of 2/64 per metre.
    assert np.abs(ground.normal - normal).max() < 0.125 * 2 / 64 + 1e-4


def test_the_map_holds_the_heightfields_own_nodes_around_the_view() -> None:
    pair, terrain = landing(lambda x, y: 0.2 * x - 0.1 * y)
    ground = true_ground(pair, terrain, 5.0)
    rows, columns = ground.map_height_m.shape
    east = ground.corner_m[0] + CELL * np.arange(columns)
    north = ground.corner_m[1] + CELL * np.arange(rows)
    np.testing.assert_allclose(
        ground.map_height_m, 0.2 * east[None] - 0.1 * north[:, None], atol=1e-5
    )
    for along, axis in ((east, 0), (north, 1)):
        seen = ground.points[..., axis]
        assert along[0] == pytest.approx(float(seen.min()) - 5, abs=CELL)
        assert along[-1] == pytest.approx(float(seen.max()) + 5, abs=CELL)


def rocks_of(ground: TrueGround) -> dict[int, NDArray[np.float64]]:
    return {int(row[0]): row[1:] for row in ground.rocks}


def test_every_rock_stands_where_and_as_high_as_the_list_says() -> None:
    pair, terrain = landing(boulders=0.15)
    ground = true_ground(pair, terrain)
    rocks = rocks_of(ground)
    assert len(rocks) > 20
    assert set(rocks) == set(np.unique(ground.map_rock).tolist()) - {0}
    alone = 0
    for number, (x, y, diameter, height, buried) in rocks.items():
        column = round((x - ground.corner_m[0]) / CELL)
        row = round((y - ground.corner_m[1]) / CELL)
        assert 0.75 - 1e-9 <= diameter <= 5  # from three cells on
        # A sphere whose rim has this radius and this height above the ground.
        sphere = (diameter**2 / 4 + height**2) / (2 * height)
        assert buried == pytest.approx(1 - height / (2 * sphere))
        if not (0 <= row < ground.map_rock.shape[0] and 0 <= column < ground.map_rock.shape[1]):
            continue
        covered = ground.map_rock == number
        reach = math.ceil(diameter / CELL)
        beside = ground.map_rock[max(0, row - reach) : row + reach + 1,
                                 max(0, column - reach) : column + reach + 1]  # fmt: skip
        if ground.map_rock[row, column] == number and set(np.unique(beside)) == {0, number}:
            alone += 1
            assert ground.map_height_m[row, column] == pytest.approx(height, abs=1e-5)
            assert ground.map_height_m[covered].max() == pytest.approx(height, abs=1e-5)
    assert alone > 10


def test_between_rocks_the_ground_is_bare_and_pixels_show_the_rocks_of_the_map() -> None:
    pair, terrain = landing(boulders=0.2)
    ground = true_ground(pair, terrain)
    assert np.abs(ground.map_height_m[ground.map_rock == 0]).max() < 1e-6
    assert (ground.map_height_m[ground.map_rock > 0] > 0).all()
    column = np.rint((ground.points[..., 0] - ground.corner_m[0]) / CELL).astype(int)
    row = np.rint((ground.points[..., 1] - ground.corner_m[1]) / CELL).astype(int)
    np.testing.assert_array_equal(ground.rock, ground.map_rock[row, column])
    assert 0.01 < np.mean(ground.rock > 0) < 0.2
    # A pixel between four bare nodes is bare ground; one on a rock's middle is not.
    assert ground.height_m[ground.rock > 0].max() > 0.15


@pytest.mark.parametrize(("slope_deg", "expected"), [(9.0, SAFE), (11.0, HAZARDOUS)])
def test_a_plane_has_the_class_of_its_slope(slope_deg: float, expected: int) -> None:
    rise = math.tan(math.radians(slope_deg))
    pair, terrain = landing(lambda x, y: rise * (0.8 * x + 0.6 * y))
    ground = true_ground(pair, terrain, 5.5)
    found = true_hazards(ground, VEHICLE)
    tried = np.isfinite(found.slope_deg)
    assert found.slope_deg[tried] == pytest.approx(slope_deg, abs=0.01)
    assert set(np.unique(found.classes[tried])) == {expected}
    assert set(np.unique(found.classes[~tried])) == {UNKNOWN}
    # The map goes on beyond the view by half a footprint: everything that is seen has a class.
    assert set(np.unique(found.at(ground.points))) == {expected}


@pytest.mark.parametrize(("rise_m", "expected"), [(0.35, SAFE), (0.45, HAZARDOUS)])
def test_a_boulder_forbids_the_places_whose_footprint_holds_it(
    rise_m: float, expected: int
) -> None:
    def boulder(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(rise_m * (np.hypot(x - 3, y + 4) < 0.4))

    pair, terrain = landing(boulder)
    ground = true_ground(pair, terrain, 5.5)
    found = true_hazards(ground, VEHICLE)
    away = np.hypot(found.x_m[None] - 3, found.y_m[:, None] + 4)
    inside = np.isfinite(found.slope_deg)
    # Where no pad stands on it: the pads are 5 m from the middle, and 0.25 m wide.
    under = inside & (away < 4.0)
    clear = inside & (away > 6.0)
    assert under.sum() > 5
    assert set(np.unique(found.classes[under])) == {expected}
    assert found.roughness_m[under] == pytest.approx(rise_m, abs=1e-3)
    assert set(np.unique(found.classes[clear])) == {SAFE}


def test_a_class_does_not_depend_on_how_finely_the_ground_is_known() -> None:
    """Wide cells count what stands out of them beside their centres."""
    spec = sample_spec(11, 128, "stereolunar", "landing")
    terrain = synthesise_terrain(spec.terrain)
    ground = true_ground(render_pair(spec, terrain), terrain, 20.0)
    vehicle = replace_lander(footprint=min(40.0, 130 * terrain.cell_m))
    fine = true_hazards(ground, vehicle)
    wide = true_hazards(thinned(ground, 3), vehicle)
    assert len(fine.x_m) > 5
    at = ground.points[4:-4:4, 4:-4:4]
    one, other = fine.at(at), wide.at(at)
    both = (one != UNKNOWN) & (other != UNKNOWN)
    assert np.mean(one[both] == other[both]) > 0.8


def replace_lander(footprint: float) -> Lander:
    return Lander(
        footprint_diameter_m=footprint, slope_limit_deg=8, roughness_limit_m=footprint / 30
    )


def thinned(ground: TrueGround, by: int) -> TrueGround:
    return replace(
        ground,
        map_height_m=np.ascontiguousarray(ground.map_height_m[::by, ::by]),
        map_rock=np.ascontiguousarray(ground.map_rock[::by, ::by]),
        cell_m=ground.cell_m * by,
    )
