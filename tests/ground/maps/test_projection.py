"""Projections are PROJ's, and maps of one place share one."""

from __future__ import annotations

import numpy as np
import pytest
from lunar_ground.maps.layers import hillshade
from lunar_ground.maps.projection import Projection, lon_lat
from lunar_runtime.landing.local_frame import MOON_RADIUS_M

from .moon import direction

PLACES = ((89.99, 30.0), (60.0, -45.0), (-88.0, 170.0), (10.4, 179.8), (-59.6, -179.7), (0.0, 0.3))


@pytest.mark.parametrize("place", PLACES)
def test_coordinates_are_those_of_proj(place: tuple[float, float]) -> None:
    pytest.importorskip("rasterio", reason="rasterio is not installed ([ground])")
    from rasterio.crs import CRS
    from rasterio.warp import transform

    latitude, longitude = place
    projection = Projection.near(latitude, longitude)
    crs = CRS.from_wkt(projection.wkt)
    (x,), (y,) = transform(CRS.from_authority("IAU_2015", 30100), crs, [longitude], [latitude])
    ours = projection.forward(direction(latitude, longitude))
    assert np.allclose(ours, (x, y), atol=1e-6)  # micrometres
    back = projection.backward(*(np.asarray(axis) for axis in ours))
    assert np.abs(back - direction(latitude, longitude)).max() < 1e-12
    if projection.kind != "orthographic":
        code = {"north": 30130, "south": 30135}[projection.kind]
        (x,), (y,) = transform(
            CRS.from_authority("IAU_2015", 30100),
            CRS.from_authority("IAU_2015", code),
            [longitude],
            [latitude],
        )
        assert np.allclose(ours, (x, y), atol=1e-6)


def test_the_poles_begin_at_60_degrees() -> None:
    assert Projection.near(60.0, 10).kind == "north"
    assert Projection.near(59.99, 10).kind == "orthographic"
    assert Projection.near(-60.0, 10).kind == "south"


def test_both_sides_of_the_antimeridian_share_a_projection() -> None:
    assert Projection.near(-20.1, 179.98) == Projection.near(-19.9, -179.98)


def test_the_far_side_of_the_moon_is_not_on_an_orthographic_map() -> None:
    x, y = Projection.near(0, 0).forward(direction(0, 120))
    assert np.isnan(x) and np.isnan(y)


def test_the_scale_of_a_polar_map_is_that_of_short_lines() -> None:
    projection = Projection.near(65, 20)
    x, y = projection.forward(direction(65, 20))
    east, north = projection.forward(direction(65, 20.001))
    map_m = np.hypot(east - x, north - y)
    ground_m = np.radians(0.001) * MOON_RADIUS_M * np.cos(np.radians(65))
    assert map_m / ground_m == pytest.approx(projection.scale(float(x), float(y)), rel=1e-6)


def test_longitudes_are_east_and_latitudes_planetocentric() -> None:
    longitude, latitude = lon_lat(2e6 * direction(-31.0, -120.0))
    assert float(longitude) == pytest.approx(-120)
    assert float(latitude) == pytest.approx(-31)


def test_slopes_towards_the_light_are_bright() -> None:
    y, x = np.mgrid[:5, :5].astype(np.float64)
    level = hillshade(np.zeros((5, 5)), 2.0)
    assert (level == 1 + round(254 * np.sin(np.pi / 4))).all()
    # Rows go south: ground that falls to the north-west, by 45 degrees, faces the light.
    facing = hillshade((x + y) * 2 / np.sqrt(2), 2.0)
    assert (facing == 255).all()
    away = hillshade(-(x + y) * 2 / np.sqrt(2), 2.0)
    assert (away == 1).all()
    hole = np.zeros((5, 5))
    hole[2, 2] = np.nan
    assert hillshade(hole, 2.0)[2, 1:4].tolist() == [0, 0, 0]
