"""Crater populations: published depth and rim laws, equilibrium sizes, diffusive degradation."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

SIMPLE_MAX_KM = 15.0
"""Diameter at which lunar craters turn from simple to complex (Pike 1977)."""

EXTENT = 4.0
"""Patch half-width in crater radii; the rim's ρ^-3 apron is 1/64 there."""

_AGE_BINS = 8


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
    apron = rim * np.clip((EXTENT - rho) / (EXTENT - 2), 0, 1) / np.maximum(rho, 1) ** 3
    return np.where(rho < 1, bowl, apron).astype(np.float32)


def _patch(radius: float, blur: float, aspect: float, floor: float) -> NDArray[np.float32]:
    """Unit crater (radius 1) on a grid with `radius` cells to the radius, blurred by `blur` R."""
    half = int(math.ceil(EXTENT * radius))
    r = np.arange(-half, half + 1, dtype=np.float32) / np.float32(radius)
    rho = np.sqrt(r[None] ** 2 + r[:, None] ** 2)
    patch = profile(rho, 2 * 0.196 * aspect, 2 * 0.036 * aspect, floor)
    # At least 0.7 cells, else bilinear sampling creases the rim.
    sigma = max(blur * radius, 0.7)
    # A small kernel on a reduced grid equals a large one on the full grid here.
    reduce = max(1, int(sigma / 4))
    if reduce > 1:
        small = cv2.resize(
            patch, None, fx=1 / reduce, fy=1 / reduce, interpolation=cv2.INTER_AREA
        )
        small = cv2.GaussianBlur(small, (0, 0), sigma / reduce)
        patch = cv2.resize(small, patch.shape[::-1], interpolation=cv2.INTER_CUBIC)
    else:
        patch = cv2.GaussianBlur(patch, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    # The patch must end at zero, else its square outline shows in low sun.
    fade = np.clip((EXTENT - rho) / 1.0, 0, 1)
    return np.asarray(patch * fade * fade * (3 - 2 * fade), dtype=np.float32)


@lru_cache(maxsize=512)
def _cached_patch(radius_bin: int, age_bin: int) -> NDArray[np.float32]:
    return _patch(_bin_radius(radius_bin), age_bin / (_AGE_BINS - 1), 1.0, 0.0)


def _bin_radius(radius_bin: int) -> float:
    return float(1.06**radius_bin)


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
        blur = float(blurs[i])
        if radius < 24:
            radius_bin = round(math.log(radius) / math.log(1.06))
            age_bin = min(_AGE_BINS - 1, round(blur * (_AGE_BINS - 1)))
            patch = _cached_patch(radius_bin, age_bin)
        else:
            aspect = depth_km(diameters_km[i]) / (0.196 * diameters_km[i])
            patch = _patch(radius, blur, aspect, float(floors[i]))
        _add_periodic(height_m, patch * np.float32(scale), int(centres[i, 0]), int(centres[i, 1]))


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
