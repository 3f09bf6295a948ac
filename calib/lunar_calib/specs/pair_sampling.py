"""Random pair specs over StereoLunar's ranges of geometry, sun and relief."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from lunar_calib.choices import (
    LANDING_KINDS,
    ORBITAL_KINDS,
    GeometryKind,
    Preset,
    Reflectance,
)
from lunar_calib.specs import pinhole
from lunar_calib.specs.camera_families import (
    ALTITUDE_RANGE_M,
    APPROACH_RANGE_M,
    LANDING_RANGE_M,
    CameraPair,
    ground_points,
    log_uniform,
    sample_cameras,
)
from lunar_calib.specs.pair_spec import ImagingSpec, PairSpec, TerrainSpec

SUN_ELEVATION_DEG = (5.0, 50.0)

CELLS_PER_PIXEL = 1.25
"""Grid nodes per ground sample of the nearest pixels."""

_RANGES_M = {
    GeometryKind.LANDING: LANDING_RANGE_M,
    GeometryKind.APPROACH: APPROACH_RANGE_M,
}


def derived_seed(*parts: int) -> int:
    """A seed of its own for each sequence of numbers, such as a set's seed and a pair's number."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


def sample_spec(
    seed: int,
    size_px: int = 512,
    preset: Preset | str = Preset.MIX,
    kind: GeometryKind | str | None = None,
    terrain: TerrainSpec | None = None,
) -> PairSpec:
    """Draw a pair.

    Args:
        seed: Decides everything; the same arguments give the same spec.
        size_px: Image side.
        preset: Image style.
        kind: Geometry family; None draws one of the three.
        terrain: Use this heightfield (a large one that serves several pairs) and an altitude
            that suits its resolution; None makes one that fits the pair.

    Returns:
        A spec whose cameras share at least half of their ground (a fifth of the pairs: 30 %).
    """
    rng = np.random.default_rng([seed, 7])
    preset = Preset(preset)
    chosen = GeometryKind(kind) if kind is not None else ORBITAL_KINDS[int(rng.integers(3))]
    if terrain is None:
        altitude_range = _RANGES_M.get(chosen, ALTITUDE_RANGE_M)
    else:
        base = altitude_for(terrain, size_px)
        altitude_range = (0.85 * base, 1.5 * base)
    pair = sample_cameras(rng, chosen, altitude_range)
    if terrain is None:
        terrain = _fitting_terrain(rng, seed, size_px, pair)
        if chosen in LANDING_KINDS:
            terrain = _landing_terrain(rng, terrain)
        site = (terrain.cells * terrain.cell_m / 2,) * 2
    else:
        site = tuple(rng.uniform(0, terrain.cells * terrain.cell_m, 2).tolist())
    realistic = preset is Preset.REALISTIC or (preset is Preset.MIX and rng.uniform() < 0.5)
    low, high = SUN_ELEVATION_DEG
    if realistic:
        # Lower suns would leave most of the frame in cast shadow.
        low += 5 * terrain.relief_scale
    return PairSpec(
        seed=seed,
        size_px=size_px,
        kind=chosen,
        terrain=terrain,
        site_m=(float(site[0]), float(site[1])),
        left=pair.left,
        right=pair.right,
        sun_azimuth_deg=float(rng.uniform(0, 360)),
        sun_elevation_deg=float(rng.uniform(low, high)),
        reflectance=(
            Reflectance.LUNAR_LAMBERT if realistic and rng.uniform() < 0.3 else Reflectance.HAPKE
        ),
        cast_shadows=realistic,
        imaging=sample_imaging(rng, realistic),
        fov_deg=pair.fov_deg,
    )


def sample_terrain(
    seed: int, size_px: int, cells: int, crater_max_m: float = 9000.0
) -> TerrainSpec:
    """Draw a heightfield for several pairs of a size: `cells` nodes at 0.8 ground samples.

    The altitude that fits it is log-uniform over StereoLunar's range.
    """
    rng = np.random.default_rng([seed, 5])
    low, high = ALTITUDE_RANGE_M
    altitude = float(np.exp(rng.uniform(math.log(low), math.log(high / 1.5))))
    cell = altitude / pinhole.focal_px(size_px) / CELLS_PER_PIXEL
    return _terrain_values(rng, seed, size_px, cells, cell)


def altitude_for(terrain: TerrainSpec, size_px: int) -> float:
    """Altitude at which a nadir pixel covers `CELLS_PER_PIXEL` nodes of a terrain, metres."""
    return terrain.cell_m * CELLS_PER_PIXEL * pinhole.focal_px(size_px)


def _fitting_terrain(
    rng: np.random.Generator, seed: int, size_px: int, pair: CameraPair
) -> TerrainSpec:
    """A grid fine enough for the nearest ground and at least as wide as both footprints."""
    focal = pinhole.focal_px(size_px, pair.fov_deg)
    near, widest = math.inf, 0.0
    for camera in (pair.left, pair.right):
        pose = pinhole.cam2world(camera)
        ground = ground_points(pose, 8, pair.fov_deg)
        depth = pinhole.transform(pinhole.invert(pose), ground)[:, 2]
        near = min(near, float(np.percentile(depth, 20)))
        widest = max(widest, float(np.abs(ground[:, :2]).max()))
    cell = near / focal / CELLS_PER_PIXEL
    cells = int(np.clip(2.3 * widest / cell, 2 * size_px, 4 * size_px))
    return _terrain_values(rng, seed, size_px, _good_fft_size(cells), cell)


def _terrain_values(
    rng: np.random.Generator,
    seed: int,
    size_px: int,
    cells: int,
    cell_m: float,
) -> TerrainSpec:
    # One fresh crater for five footprints, a tenth to nine tenths as wide.
    footprint = size_px * cell_m * CELLS_PER_PIXEL
    fresh = int(rng.poisson((cells * cell_m / footprint) ** 2 / 5))
    return TerrainSpec(
        seed=int(seed),
        cells=cells,
        cell_m=float(cell_m),
        relief_scale=log_uniform(rng, 0.4, 1.15),
        hurst=float(rng.uniform(1.4, 1.9)),
        rolloff_m=log_uniform(rng, 40, 150),
        crater_density=log_uniform(rng, 0.2, 1.2),
        crater_exponent=float(rng.uniform(1.4, 1.83)),
        crater_max_m=9000.0,
        fresh_craters=fresh,
        fresh_crater_m=float(rng.uniform(0.3, 0.9)) * min(footprint, 12_000.0),
        degradation=float(rng.uniform(0.5, 1.0)),
        roughness=log_uniform(rng, 0.2, 1.5),
    )


def _landing_terrain(rng: np.random.Generator, terrain: TerrainSpec) -> TerrainSpec:
    """Ground that somebody chose to land on: gentler, with small craters and boulders.

    Slopes over 10 m are 2 to 9 degrees in the mean. The relief's spectrum goes on to eight cells.
    """
    extent = terrain.cells * terrain.cell_m
    return replace(
        terrain,
        relief_scale=log_uniform(rng, 0.15, 0.7),
        rolloff_m=8 * terrain.cell_m,
        crater_max_m=0.15 * extent,
        fresh_craters=int(rng.poisson(2)),
        fresh_crater_m=float(rng.uniform(0.03, 0.12)) * extent,
        boulder_abundance=log_uniform(rng, 0.01, 0.2),
        boulder_max_m=log_uniform(rng, 1.0, 6.0),
    )


def _good_fft_size(cells: int) -> int:
    """Smallest multiple of 128 with factors 2, 3, 5 not below `cells`."""
    n = (cells + 127) // 128
    while True:
        rest = n
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return n * 128
        n += 1


def sample_imaging(rng: np.random.Generator, realistic: bool) -> ImagingSpec:
    """Draw optics and a detector: nearly ideal ones, or realistic ones."""
    # The published frames are JPEG, of high quality.
    jpeg = int(rng.integers(85, 99)) if rng.uniform() < 0.4 else 0
    if not realistic:
        return ImagingSpec(
            psf_sigma_px=float(rng.uniform(0.4, 0.6)),
            read_noise_dn=float(rng.uniform(0, 0.4)),
            jpeg_quality=jpeg,
        )
    return ImagingSpec(
        psf_sigma_px=float(rng.uniform(0.5, 0.9)),
        albedo_contrast=float(rng.uniform(0.03, 0.15)) if rng.uniform() < 0.6 else 0.0,
        full_well_e=log_uniform(rng, 8_000, 60_000) if rng.uniform() < 0.7 else 0.0,
        read_noise_dn=float(rng.uniform(0.2, 1.5)),
        vignetting=float(rng.uniform(0, 0.2)) if rng.uniform() < 0.5 else 0.0,
        hot_pixels=float(rng.uniform(0, 5)) if rng.uniform() < 0.2 else 0.0,
        exposure=float(rng.uniform(130, 250)),
        black_level_dn=float(rng.uniform(0, 8)),
        jpeg_quality=jpeg,
    )
