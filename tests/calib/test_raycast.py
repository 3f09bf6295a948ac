from __future__ import annotations

import numpy as np
import pytest
from lunar_calib.render.raycast import TOLERANCE_M, cast, sample_height
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import CameraSpec, TerrainSpec
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from .conftest import terrain_of

NADIR = CameraSpec((0, 0, 10_000), up_hint=(0, 1, 0))
OBLIQUE = CameraSpec((0, -9_000, 9_000))


def depth_of(
    terrain: Terrain, camera: CameraSpec, size: int = 64
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pose = pinhole.cam2world(camera)
    half = terrain.spec.cells * terrain.cell_m / 2
    return cast(terrain, (half, half), pose[:3, 3], pinhole.world_rays(size, pose)), pose


def points_of(depth: NDArray[np.float64], pose: NDArray[np.float64]) -> NDArray[np.float64]:
    rays = np.stack(pinhole.world_rays(depth.shape[0], pose), axis=-1)
    return pose[:3, 3] + depth[..., None] * rays


@pytest.fixture(scope="module")
def rough() -> Terrain:
    return synthesise_terrain(TerrainSpec(seed=5, cells=512, cell_m=40.0, relief_scale=1.3))


@pytest.mark.parametrize("camera", [NADIR, OBLIQUE])
def test_depth_of_a_flat_plain_is_that_of_the_curved_moon(camera: CameraSpec) -> None:
    depth, pose = depth_of(terrain_of(np.zeros((256, 256)), 200.0), camera)
    x, y, z = np.moveaxis(points_of(depth, pose), -1, 0)
    drop = (x**2 + y**2) / (2 * MOON_RADIUS_M)
    assert drop.max() > 1  # curvature matters here
    np.testing.assert_allclose(z, -drop, atol=TOLERANCE_M)


def test_depth_below_a_nadir_camera_is_its_altitude() -> None:
    depth, _ = depth_of(terrain_of(np.zeros((64, 64)), 500.0), NADIR, size=65)
    assert depth[32, 32] == pytest.approx(10_000, abs=TOLERANCE_M)


@pytest.mark.parametrize("camera", [NADIR, OBLIQUE])
@pytest.mark.parametrize("tilt_deg", [5, 20])
def test_depth_of_a_tilted_plane_lies_on_the_plane(camera: CameraSpec, tilt_deg: float) -> None:
    cells, cell = 1024, 40.0
    slope = np.tan(np.radians(tilt_deg))
    east = (np.arange(cells) - cells / 2) * cell
    terrain = terrain_of(np.tile(slope * east, (cells, 1)), cell)
    # Near enough that no ray of it meets the seam where the plane starts again.
    east_m, north_m, up_m = (0.3 * v for v in camera.position_m)
    near = CameraSpec((east_m, north_m, up_m), up_hint=camera.up_hint)
    depth, pose = depth_of(terrain, near)
    x, y, z = np.moveaxis(points_of(depth, pose), -1, 0)
    assert np.abs(x).max() < cells * cell / 2
    # float32 heights of 10 km resolve 1 mm.
    expected = slope * x - (x**2 + y**2) / (2 * MOON_RADIUS_M)
    np.testing.assert_allclose(z, expected, atol=2 * TOLERANCE_M)


@pytest.mark.parametrize("camera", [NADIR, OBLIQUE])
def test_every_hit_is_the_first_crossing(rough: Terrain, camera: CameraSpec) -> None:
    depth, pose = depth_of(rough, camera, size=128)
    points = points_of(depth, pose)
    half = rough.spec.cells * rough.cell_m / 2
    x, y, z = np.moveaxis(points, -1, 0)
    h = sample_height(rough, x + half, y + half)[0]
    np.testing.assert_allclose(z + (x**2 + y**2) / (2 * MOON_RADIUS_M), h, atol=TOLERANCE_M)
    # Brute force: nothing above the ray anywhere before the hit, at steps of a third of a cell.
    rows, cols = np.meshgrid(np.arange(3, 128, 11), np.arange(5, 128, 11), indexing="ij")
    rays = np.stack(pinhole.world_rays(128, pose), axis=-1)[rows, cols]
    hit = depth[rows, cols]
    worst = np.inf
    for fraction in np.linspace(0.5, 0.9999, 1200):
        p = pose[:3, 3] + (fraction * hit)[..., None] * rays
        ground = sample_height(rough, p[..., 0] + half, p[..., 1] + half)[0]
        gap = p[..., 2] + (p[..., 0] ** 2 + p[..., 1] ** 2) / (2 * MOON_RADIUS_M) - ground
        worst = min(worst, gap.min())
    assert worst > -TOLERANCE_M


def test_rays_in_a_list_hit_what_rays_in_an_image_hit(rough: Terrain) -> None:
    depth, pose = depth_of(rough, OBLIQUE, size=64)
    half = rough.spec.cells * rough.cell_m / 2
    flat = [r.reshape(-1) for r in pinhole.world_rays(64, pose)]
    listed = cast(rough, (half, half), pose[:3, 3], flat).reshape(64, 64)
    np.testing.assert_allclose(listed, depth, atol=0.1)  # along grazing rays 3 mm become more


def test_rays_above_the_horizon_have_no_depth() -> None:
    camera = CameraSpec((0, -9_000, 3_000), aim_m=(0, 0, 3_000))
    depth, _ = depth_of(terrain_of(np.zeros((64, 64)), 500.0), camera)
    assert np.isnan(depth[:28]).all()
    assert np.isfinite(depth[40:]).all()


def test_no_rays_give_no_depth(rough: Terrain) -> None:
    empty = [np.zeros(0)] * 3
    assert cast(rough, (0.0, 0.0), np.array([0, 0, 9000.0]), empty).shape == (0,)
