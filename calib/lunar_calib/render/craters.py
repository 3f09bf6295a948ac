"""Crater populations: published depth and rim laws, equilibrium sizes, diffusive degradation."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lunar_calib.specs.pair_spec import TerrainSpec

SIMPLE_MAX_KM = 15.0
"""Diameter at which lunar craters turn from simple to complex (Pike 1977)."""

EXTENT = 3.2
"""Patch half-width in crater radii; the rim's ρ^-3 apron is 3 % there and is faded out."""

EQUILIBRIUM_EXPONENT = 1.83
"""Slope of the cumulative size distribution of small craters in equilibrium."""

_AGE_BINS = 9
_BIN_RATIO = 1.06
_CACHED_RADIUS = 40.0
_TABLE = 2048

_Wobble = tuple[tuple[int, float, float], ...]


def depth_km(diameter_km: float) -> float:
    """Rim-to-floor depth of a fresh crater (Pike 1977), kilometres."""
    if diameter_km < SIMPLE_MAX_KM:
        return float(0.196 * diameter_km**1.010)
    return float(1.044 * diameter_km**0.301)


def rim_km(diameter_km: float) -> float:
    """Rim height of a fresh crater above its surroundings (Pike 1977), kilometres."""
    if diameter_km < SIMPLE_MAX_KM:
        return float(0.036 * diameter_km**1.014)
    return float(0.236 * diameter_km**0.399)


def density_per_km2(diameter_km: float, exponent: float = EQUILIBRIUM_EXPONENT) -> float:
    """Cumulative equilibrium density N(>D): log10 N = -exponent log10 D - 1.14."""
    return float(10.0**-1.14 * diameter_km**-exponent)


def profile(
    rho: NDArray[np.float32], depth: float, rim: float, floor: float = 0.0
) -> NDArray[np.float32]:
    """Height of a fresh crater over the distance from its centre.

    Args:
        rho: Distance in radii, any shape.
        depth: Rim-to-floor depth, any unit; the result has the same.
        rim: Rim height above the surroundings.
        floor: Fraction of the depth that is filled flat.

    Returns:
        Heights shaped as `rho`; zero from `EXTENT` radii on.
    """
    bowl = np.maximum(rim - depth * (1 - rho * rho), rim - depth * (1 - floor))
    apron = rim * np.clip((EXTENT - rho) / (EXTENT - 1.5), 0, 1) / np.maximum(rho, 1) ** 3
    return np.asarray(np.where(rho < 1, bowl, apron), dtype=np.float32)


@lru_cache(maxsize=256)
def blurred_profile(blur: float, floor: float) -> NDArray[np.float32]:
    """Radial table of a degraded crater: the fresh one convolved with a 2-D Gaussian.

    For a radial f the convolution is an integral over the radius with a modified Bessel kernel:
    g(r) = 1/σ² ∫ f(s) s exp(-(r² + s²) / 2σ²) I0(r s / σ²) ds.

    Args:
        blur: Standard deviation σ in crater radii, above 0.
        floor: Filled fraction of the depth.

    Returns:
        (`_TABLE` + 1,) float32 heights of a crater of radius 1 at equal steps of r from 0 to
        `EXTENT`, falling smoothly to 0 at the end.
    """
    r = np.linspace(0, EXTENT, _TABLE // 8 + 1)[:, None]
    s = np.linspace(0, EXTENT, _TABLE // 4 + 1)[None, 1:]
    fresh = profile(s.astype(np.float32), 2 * 0.196, 2 * 0.036, floor)
    kernel = np.exp(-((r - s) ** 2) / (2 * blur**2)) * _scaled_bessel_i0(r * s / blur**2) * s
    table = (kernel * fresh).sum(1) / kernel.sum(1)
    r = np.linspace(0, EXTENT, _TABLE + 1)
    fine = np.interp(r, r[::8], table)
    # Rounds off the interpolation's kinks, which low sun would show as rings.
    fine[8:-8] = np.convolve(fine, np.hanning(19)[1:-1] / 9, "valid")
    # The patch must end at zero, else its outline shows in low sun.
    fade = np.clip(EXTENT - r, 0, 1)
    return np.asarray(fine * fade * fade * (3 - 2 * fade), dtype=np.float32)


@lru_cache(maxsize=1)
def _bessel_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = np.linspace(0, 30, 6001)
    return x, np.exp(-x) * np.i0(x)


def _scaled_bessel_i0(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """exp(-x) I0(x): tabulated below 30, the asymptotic series above (error 1e-6)."""
    large = np.maximum(x, 30)
    series = (1 + 1 / (8 * large) + 9 / (128 * large**2)) / np.sqrt(2 * np.pi * large)
    return np.asarray(np.where(x < 30, np.interp(x, *_bessel_table()), series))


def _blur_step(blur: float) -> float:
    """The nearest of a geometric series of blurs, so that few profiles are ever computed."""
    return float(0.02 * 1.12 ** max(0, round(math.log(max(blur, 0.02) / 0.02) / math.log(1.12))))


def _distances(radius: float, wobble: _Wobble = ()) -> NDArray[np.float32]:
    """Distances from a crater's centre in radii, on a grid with `radius` cells to the radius.

    `wobble` lists (order, amplitude, phase) of deviations of the rim from a circle.
    """
    half = math.ceil(EXTENT * radius)
    y, x = np.ogrid[-half : half + 1, -half : half + 1]
    rho = np.sqrt((x * x + y * y).astype(np.float32))
    rho *= np.float32(1 / radius)
    if wobble:
        angle = np.arctan2(y.astype(np.float32), x.astype(np.float32))
        stretch = np.ones_like(rho)
        for order, amplitude, phase in wobble:
            stretch += np.float32(amplitude) * np.cos(np.float32(order) * angle + np.float32(phase))
        rho *= stretch
    return np.asarray(rho)


def _look_up(table: NDArray[np.float32], rho: NDArray[np.float32]) -> NDArray[np.float32]:
    """A radial table of `blurred_profile` at distances in radii; np.interp, but faster."""
    position = np.minimum(rho * np.float32(_TABLE / EXTENT), np.float32(_TABLE))
    index = position.astype(np.int32)
    position -= index
    slope = np.append(np.diff(table), np.float32(0))
    return np.asarray(table[index] + position * slope[index], dtype=np.float32)


@lru_cache(maxsize=1024)
def _cached_patch(radius_bin: int, age_bin: int) -> NDArray[np.float32]:
    radius = _BIN_RATIO**radius_bin
    # At least 0.7 cells of blur, else bilinear sampling creases the rim.
    blur = max(age_bin / (_AGE_BINS - 1), 0.7 / radius)
    return _look_up(blurred_profile(_blur_step(blur), 0.0), _distances(radius))


def add_craters(height_m: NDArray[np.float32], spec: TerrainSpec, rng: np.random.Generator) -> None:
    """Stamp a spec's crater population into a periodic heightfield, in place.

    Diameters follow the power law from 3 cells up to the spec's largest, which is at most a fifth
    of the grid. Ages are uniform; a crater of age t is blurred by sqrt(2κt), which in units of
    its radius is at most `degradation` for craters under 1 km and less for larger ones.

    Args:
        height_m: (N, N) float32, changed.
        spec: Density, sizes, degradation and the grid distance.
        rng: Source of positions, sizes and ages.
    """
    cells, cell_m, slope = spec.cells, spec.cell_m, spec.crater_exponent
    low_km = 3 * cell_m / 1000
    high_km = min(spec.crater_max_m, cells * cell_m / 5) / 1000
    if high_km <= low_km or spec.crater_density <= 0:
        return
    n_low, n_high = density_per_km2(low_km, slope), density_per_km2(high_km, slope)
    area_km2 = (cells * cell_m / 1000) ** 2
    count = int(rng.poisson(spec.crater_density * (n_low - n_high) * area_km2))
    diameters_km = np.sort((rng.uniform(n_high, n_low, count) * 10**1.14) ** (-1 / slope))[::-1]
    centres = rng.integers(0, cells, (count, 2))
    floors = rng.uniform(0, 0.2, count)
    # κt is common to all sizes, so in radii the blur falls with size; exponent by eye.
    blurs = spec.degradation * np.sqrt(rng.uniform(0, 1, count))
    blurs *= np.minimum(1, diameters_km**-0.35)

    for _ in range(spec.fresh_craters):
        largest_km = min(spec.fresh_crater_m, cells * cell_m / 5) / 1000
        radius = 500 * largest_km / cell_m
        centre = (int(rng.integers(cells)), int(rng.integers(cells)))
        size = float(rng.uniform(1 / 3, 1)) * largest_km
        if radius / 3 > 4:
            _add_large(height_m, spec, rng, size, centre, float(rng.uniform(0, 0.2)), 0.06)
    for diameter_km, (row, col), floor, blur in zip(
        diameters_km.tolist(), centres.tolist(), floors.tolist(), blurs.tolist(), strict=True
    ):
        radius = 500 * diameter_km / cell_m
        if radius < _CACHED_RADIUS:
            patch = _cached_patch(_radius_bin(radius), min(_AGE_BINS - 1, round(blur * 8)))
            add_periodic(height_m, patch * np.float32(radius * cell_m), row, col)
        else:
            _add_large(height_m, spec, rng, diameter_km, (row, col), floor, blur)


def _add_large(
    height_m: NDArray[np.float32],
    spec: TerrainSpec,
    rng: np.random.Generator,
    diameter_km: float,
    centre: tuple[int, int],
    floor: float,
    blur: float,
) -> None:
    """A crater of its own shape: it wipes out what it hits and has hummocks on its floor."""
    radius = 500 * diameter_km / spec.cell_m
    rho = _distances(radius, _draw_wobble(rng))
    shallow = depth_km(diameter_km) / (0.196 * diameter_km)
    # Steps of a fifteenth of the depth: a few tables serve all large craters.
    table = blurred_profile(_blur_step(blur), round(floor * 15) / 15)
    patch = _look_up(table, rho) * np.float32(shallow * radius * spec.cell_m)
    fresh = max(0.0, 1 - 3 * blur)
    if fresh > 0:
        before = _window(height_m, patch.shape[0], *centre)
        erased = np.clip((np.float32(1.2) - rho) / np.float32(0.5), 0, 1)
        erased *= np.float32(fresh)
        patch += (_plane_through(before, (rho > 0.95) & (rho < 1.15)) - before) * erased
    add_periodic(height_m, patch, *centre)
    if blur < 0.25 and floor > 0.05:
        for _ in range(int(rng.integers(5, 20))):
            size = radius * rng.uniform(0.04, 0.12)
            reach = math.sqrt(floor * rng.uniform(0, 1)) * radius
            angle = rng.uniform(0, 2 * math.pi)
            row = round(centre[0] + reach * math.sin(angle))
            col = round(centre[1] + reach * math.cos(angle))
            mound = _cached_patch(_radius_bin(min(max(size, 2), 24)), 6)
            height = -rng.uniform(0.5, 2) * size * spec.cell_m
            add_periodic(height_m, mound * np.float32(height), row, col)


def _plane_through(patch: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The least-squares plane of the marked part of a square patch, over all of it."""
    half = patch.shape[0] // 2
    axis = np.arange(-half, half + 1, dtype=np.float32) / np.float32(half)
    rows, cols = np.nonzero(where)
    design = np.stack([np.ones(len(rows)), axis[cols], axis[rows]], axis=1)
    c, east, north = np.linalg.lstsq(design, patch[rows, cols], rcond=None)[0].astype(np.float32)
    return np.asarray(c + east * axis[None] + north * axis[:, None], dtype=np.float32)


def _radius_bin(radius: float) -> int:
    return round(math.log(radius) / math.log(_BIN_RATIO))


def _draw_wobble(rng: np.random.Generator) -> _Wobble:
    return tuple(
        (order, float(rng.normal(0, 0.06 / order)), float(rng.uniform(0, 2 * math.pi)))
        for order in (2, 3, 5)
    )


def _window(field: NDArray[np.float32], side: int, row: int, col: int) -> NDArray[np.float32]:
    """The part of a periodic field that `add_periodic` changes."""
    rows = np.arange(row - side // 2, row - side // 2 + side)
    cols = np.arange(col - side // 2, col - side // 2 + side)
    return np.asarray(field.take(rows, axis=0, mode="wrap").take(cols, axis=1, mode="wrap"))


def add_periodic(
    field: NDArray[np.float32], patch: NDArray[np.float32], row: int, col: int
) -> None:
    """Add a patch to a periodic field, its middle at a node."""
    cells, side = field.shape[0], patch.shape[0]
    top, left = row - side // 2, col - side // 2
    if top >= 0 and left >= 0 and top + side <= cells and left + side <= cells:
        field[top : top + side, left : left + side] += patch
        return
    rows = np.arange(top, top + side) % cells
    cols = np.arange(left, left + side) % cells
    if side <= cells:
        field[np.ix_(rows, cols)] += patch
    else:
        np.add.at(field, np.ix_(rows, cols), patch)
