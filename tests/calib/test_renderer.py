from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.choices import GeometryKind
from lunar_calib.render.consistency import measure_consistency
from lunar_calib.render.reflectance import hapke, hapke_phase
from lunar_calib.render.renderer import sun_vector
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import CameraSpec, ImagingSpec, PairSpec

from .conftest import terrain_of

CLEAN = ImagingSpec(psf_sigma_px=0.0)


def plane_spec(terrain: Terrain, **changes: Any) -> PairSpec:
    half = terrain.spec.cells * terrain.cell_m / 2
    spec = PairSpec(
        seed=1,
        size_px=64,
        kind=GeometryKind.NADIR,
        terrain=terrain.spec,
        site_m=(half, half),
        left=CameraSpec((-100, 0, 3000), up_hint=(0, 1, 0)),
        right=CameraSpec((100, 0, 3000), up_hint=(0, 1, 0)),
        sun_azimuth_deg=120,
        sun_elevation_deg=30,
        imaging=CLEAN,
    )
    return dataclasses.replace(spec, **changes)


@pytest.fixture(scope="module", params=["nadir", "oblique", "dynamic"])
def rendered(request: pytest.FixtureRequest) -> tuple[RenderedPair, Terrain]:
    spec = sample_spec(4, 256, "stereolunar", request.param)
    terrain = synthesise_terrain(spec.terrain)
    return render_pair(spec, terrain), terrain


def test_left_depth_carried_into_the_right_camera_is_the_right_depth(
    rendered: tuple[RenderedPair, Terrain],
) -> None:
    result = measure_consistency(*rendered)
    assert result.exact_dz_m < 0.1
    assert result.exact_p99_m < 0.1
    # The right depth image sampled between its pixels: curvature of the relief over a pixel.
    depth = rendered[0].right.depth_m
    assert result.sampled_dz_m < 3e-4 * np.nanmedian(depth)


def test_left_image_carried_into_the_right_camera_is_the_right_image(
    rendered: tuple[RenderedPair, Terrain],
) -> None:
    result = measure_consistency(*rendered)
    assert result.visible > 0.3
    # StereoLunar's own pairs have .984 to .9996; reflectance changes with the view.
    assert result.photo_correlation > 0.98


def test_depth_is_finite_and_image_uses_the_full_range(
    rendered: tuple[RenderedPair, Terrain],
) -> None:
    for view in (rendered[0].left, rendered[0].right):
        assert view.image.dtype == np.uint8
        assert view.depth_m.dtype == np.float32
        assert np.isfinite(view.depth_m).all()
        assert view.image.min() <= 2
        assert view.image.max() >= 253


@pytest.mark.parametrize("tilt_deg", [0, 15])
def test_shading_of_a_tilted_plane_is_hapkes(tilt_deg: float) -> None:
    cells, cell, slope = 256, 40.0, np.tan(np.radians(tilt_deg))
    east = (np.arange(cells) - cells / 2) * cell
    terrain = terrain_of(np.tile(slope * east, (cells, 1)), cell)
    pair = render_pair(plane_spec(terrain), terrain)
    rays = np.stack(pinhole.world_rays(64, pair.left.cam2world), axis=-1)
    view = -rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    points = pair.left.cam2world[:3, 3] + pair.left.depth_m[..., None] * rays
    normal = np.stack(
        [points[..., 0] / 1_737_400 - slope, points[..., 1] / 1_737_400, np.ones((64, 64))], axis=-1
    )
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    sun = sun_vector(120, 30)
    cosines = (normal @ sun, (normal * view).sum(-1), view @ sun)
    mu0, mu, cos_g = (cosine.astype(np.float32) for cosine in cosines)
    expected = hapke(mu0, mu, hapke_phase(cos_g))
    expected = (expected - expected.min()) / np.ptp(expected) * 255
    # One count of rounding; averaging over the pixel moves the stretch's ends by another.
    assert np.abs(pair.left.image - expected).max() < 2


def test_ground_that_faces_away_from_the_sun_is_black() -> None:
    cells, cell = 256, 40.0
    east = np.abs(np.arange(cells) - cells / 2) * cell
    terrain = terrain_of(np.tile(-0.7 * east, (cells, 1)), cell)  # a roof along north
    spec = plane_spec(terrain, sun_azimuth_deg=90, sun_elevation_deg=20)
    image = render_pair(spec, terrain).left.image
    assert (image[:, :24] == 0).all()
    assert (image[:, 44:] > 100).all()


def test_cast_shadows_darken_ground_that_attached_shadows_leave_lit() -> None:
    height = np.zeros((256, 256))
    height[:, 130:134] = 300.0  # a wall along north, sun in the east
    terrain = terrain_of(height, 40.0)
    spec = plane_spec(terrain, sun_azimuth_deg=90, sun_elevation_deg=20)
    lit = render_pair(spec, terrain).left.image
    cast = render_pair(dataclasses.replace(spec, cast_shadows=True), terrain).left.image
    # 300 m / tan 20° = 824 m west of the wall are dark: 39 m a pixel, the wall at pixel 34.
    assert (cast[:, 20:28] == 0).all()
    assert (lit[:, 20:28] > 0).all()
    np.testing.assert_array_equal(cast[:, :4] > 0, True)


@pytest.mark.parametrize("preset", ["stereolunar", "realistic"])
def test_the_same_spec_gives_the_same_bytes(preset: str) -> None:
    spec = sample_spec(12, 64, preset)
    one, other = render_pair(spec), render_pair(spec)
    for a, b in ((one.left, other.left), (one.right, other.right)):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.depth_m, b.depth_m)


def test_noise_differs_between_the_views() -> None:
    terrain = terrain_of(np.zeros((128, 128)), 100.0)
    camera = CameraSpec((0, 0, 3000), up_hint=(0, 1, 0))
    noisy = ImagingSpec(read_noise_dn=3.0, exposure=150)
    pair = render_pair(plane_spec(terrain, left=camera, right=camera, imaging=noisy), terrain)
    difference = pair.left.image.astype(float) - pair.right.image
    # Two independent noises of 3 counts, and rounding.
    assert difference.std() == pytest.approx(3 * np.sqrt(2), rel=0.1)


def test_camera_heights_count_from_the_sites_mean_height() -> None:
    terrain = terrain_of(np.full((128, 128), 700.0), 100.0)
    pair = render_pair(plane_spec(terrain), terrain)
    assert pair.left.cam2world[2, 3] == pytest.approx(3700, abs=0.01)
    assert np.median(pair.left.depth_m) == pytest.approx(3000, rel=0.001)


@pytest.mark.parametrize("size", [128, 512])
def test_ground_sample_scales_with_the_size(size: int) -> None:
    spec = sample_spec(2, size, "stereolunar", "nadir")
    nodes = spec.left.position_m[2] / pinhole.intrinsics(size)[0, 0] / spec.terrain.cell_m
    assert nodes == pytest.approx(1.25, rel=0.1)


def test_jpeg_changes_the_image_little_and_the_depth_not_at_all() -> None:
    spec = sample_spec(2, 64, "stereolunar", "nadir")
    images = []
    for quality in (0, 90):
        imaging = dataclasses.replace(spec.imaging, jpeg_quality=quality)
        images.append(render_pair(dataclasses.replace(spec, imaging=imaging)).left)
    difference = images[0].image.astype(float) - images[1].image
    assert 0 < difference.std() < 4
    np.testing.assert_array_equal(images[0].depth_m, images[1].depth_m)
