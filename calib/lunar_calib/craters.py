"""Crater populations: published depth and rim laws, equilibrium sizes, diffusive degradation."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

SIMPLE_MAX_KM = 15.0
"""Diameter at which lunar craters turn from simple to complex (Pike 1977)."""

EXTENT = 3.2
"""Patch half-width in crater radii; the rim's ρ^-3 apron is 3 % there and is faded out."""

_AGE_BINS = 9
_BIN_RATIO = 1.06
_CACHED_RADIUS = 24.0
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


def density_per_km2(diameter_km: float) -> float:
    """Cumulative equilibrium density N(>D): log10 N = -1.83 log10 D - 1.14."""
    return float(10.0**-1.14 * diameter_km**-1.83)


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
    return np.where(rho < 1, bowl, apron).astype(np.float32)


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


def _patch(radius: float, table: NDArray[np.float32], wobble: _Wobble = ()) -> NDArray[np.float32]:
    """Unit crater on a grid with `radius` cells to the radius.

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
    rho *= np.float32(_TABLE / EXTENT)
    np.minimum(rho, np.float32(_TABLE), out=rho)
    index = rho.astype(np.int32)
    rho -= index
    slope = np.append(np.diff(table), np.float32(0))
    return np.asarray(table[index] + rho * slope[index], dtype=np.float32)


@lru_cache(maxsize=512)
def _cached_patch(radius_bin: int, age_bin: int) -> NDArray[np.float32]:
    radius = _BIN_RATIO**radius_bin
    # At least 0.7 cells of blur, else bilinear sampling creases the rim.
    blur = max(age_bin / (_AGE_BINS - 1), 0.7 / radius)
    return _patch(radius, blurred_profile(_blur_step(blur), 0.0))


def add_craters(
    height_m: NDArray[np.float32],
    cell_m: float,
    rng: np.random.Generator,
    density: float,
    max_diameter_m: float,
    degradation: float,
) -> None:
    """Stamp a crater population into a periodic heightfield, in place.

    Diameters follow the equilibrium law times `density` from 3 cells up to `max_diameter_m`.
    Ages are uniform; a crater of age t is blurred by sqrt(2κt), which in units of its radius
    is at most `degradation` for craters under 1 km and less for larger ones.

    Args:
        height_m: (N, N) float32, changed.
        cell_m: Grid distance.
        rng: Source of positions, sizes and ages.
        density: Fraction of the equilibrium density.
        max_diameter_m: Largest diameter.
        degradation: Largest blur in radii; 0 leaves all fresh.
    """
    cells = height_m.shape[0]
    area_km2 = (cells * cell_m / 1000) ** 2
    low_km, high_km = 3.0 * cell_m / 1000, max_diameter_m / 1000
    if high_km <= low_km or density <= 0:
        return
    n_low, n_high = density_per_km2(low_km), density_per_km2(high_km)
    count = int(rng.poisson(density * (n_low - n_high) * area_km2))
    cumulative = rng.uniform(n_high, n_low, count)
    diameters_km = (cumulative * 10**1.14) ** (-1 / 1.83)
    centres = rng.integers(0, cells, (count, 2))
    youth = rng.uniform(0, 1, count)
    floors = rng.uniform(0, 0.35, count)
    # κt is common to all sizes, so in radii the blur falls with size; exponent by eye.
    blurs = degradation * np.sqrt(youth) * np.minimum(1, diameters_km**-0.35)

    for i in np.argsort(-diameters_km, kind="stable"):
        radius = 500 * diameters_km[i] / cell_m
        scale = radius * cell_m
        if radius < _CACHED_RADIUS:
            radius_bin = round(math.log(radius) / math.log(_BIN_RATIO))
            age_bin = min(_AGE_BINS - 1, round(blurs[i] * (_AGE_BINS - 1)))
            patch = _cached_patch(radius_bin, age_bin)
        else:
            shallow = depth_km(diameters_km[i]) / (0.196 * diameters_km[i])
            # Steps of a fifteenth of the depth: a few tables serve all large craters.
            table = blurred_profile(_blur_step(blurs[i]), round(floors[i] * 15) / 15)
            table = table * np.float32(shallow)
            patch = _patch(radius, table, _draw_wobble(rng))
        _add_periodic(height_m, patch * np.float32(scale), int(centres[i, 0]), int(centres[i, 1]))


def _draw_wobble(rng: np.random.Generator) -> _Wobble:
    return tuple(
        (order, float(rng.normal(0, 0.05 / order)), float(rng.uniform(0, 2 * math.pi)))
        for order in (2, 3, 4, 5, 7)
    )


def _add_periodic(
    field: NDArray[np.float32], patch: NDArray[np.float32], row: int, col: int
) -> None:
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
