"""Lunar relief: spectral synthesis plus craters, scaled to measured height statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.boulders import add_boulders
from lunar_calib.render.craters import add_craters
from lunar_calib.specs.pair_spec import TerrainSpec

TARGET_LAGS_M = (100.0, 500.0, 1000.0, 2000.0, 5000.0)
TARGET_RMS_M = (19.0, 90.0, 180.0, 350.0, 750.0)
"""RMS height difference over those lags, mean of the StereoLunar sample scenes."""

ROUGHNESS_SLOPE = 0.03
"""RMS slope between neighbouring nodes of the fine texture at `roughness` 1, by eye."""

OUTER_SCALE_M = 25_000.0
"""Wavelength above which the spectrum is flat; bends the structure function beyond 2 km."""


@dataclass(frozen=True)
class Terrain:
    """A periodic heightfield with its gradients.

    Attributes:
        spec: What it was made from.
        height_m: (N, N) float32 metres above the reference sphere; row = north, column = east.
        gradient: (N, N, 2) float32 dh/dx, dh/dy, central differences.
    """

    spec: TerrainSpec
    height_m: NDArray[np.float32]
    gradient: NDArray[np.float32]

    @property
    def cell_m(self) -> float:
        """Distance of two nodes, metres."""
        return self.spec.cell_m

    @cached_property
    def steepest(self) -> float:
        """Nearly the largest |gradient|: its 99.97th percentile on a subset, and a margin.

        With boulders it is their rims'.
        """
        if self.spec.boulder_abundance > 0:
            return float(np.hypot(self.gradient[..., 0], self.gradient[..., 1]).max())
        g = self.gradient[::3, ::3]
        return float(np.percentile(np.hypot(g[..., 0], g[..., 1]), 99.97)) + 0.05

    @cached_property
    def low_m(self) -> float:
        """Lowest node, metres."""
        return float(self.height_m.min())

    @cached_property
    def high_m(self) -> float:
        """Highest node, metres."""
        return float(self.height_m.max())

    @cached_property
    def albedo(self) -> NDArray[np.float32]:
        """(N/4, N/4) float32 periodic texture, zero mean, unit RMS."""
        cells = max(16, self.spec.cells // 4)
        rng = np.random.default_rng([self.spec.seed, 3])
        k = _wavenumber(cells)
        texture = _synthesise(rng, cells, (k * k + (3.0 / cells) ** 2) ** -0.9)
        return np.asarray(texture / texture.std(), dtype=np.float32)


def target_rms_m(lag_m: float) -> float:
    """Target RMS height difference over a lag: log-log interpolated, slope kept at the ends."""
    x, y = np.log(TARGET_LAGS_M), np.log(TARGET_RMS_M)
    v = math.log(lag_m)
    if v <= x[0]:
        return float(math.exp(y[0] + (v - x[0])))
    if v >= x[-1]:
        return float(math.exp(y[-1] + 0.8 * (v - x[-1])))
    return float(math.exp(np.interp(v, x, y)))


def rms_difference_m(height_m: NDArray[np.float32], lag_cells: int) -> float:
    """RMS height difference over a lag along rows and columns of a periodic field."""
    a = height_m - np.roll(height_m, lag_cells, 0)
    b = height_m - np.roll(height_m, lag_cells, 1)
    return float(np.sqrt((np.mean(a * a) + np.mean(b * b)) / 2))


def gradient_of(height_m: NDArray[np.float32], cell_m: float) -> NDArray[np.float32]:
    """(N, N, 2) central differences dh/dx, dh/dy of a periodic field."""
    x, y = np.empty_like(height_m), np.empty_like(height_m)
    np.subtract(height_m[:, 2:], height_m[:, :-2], out=x[:, 1:-1])
    np.subtract(height_m[:, 1], height_m[:, -1], out=x[:, 0])
    np.subtract(height_m[:, 0], height_m[:, -2], out=x[:, -1])
    np.subtract(height_m[2:], height_m[:-2], out=y[1:-1])
    np.subtract(height_m[1], height_m[-1], out=y[0])
    np.subtract(height_m[0], height_m[-2], out=y[-1])
    scale = np.float32(0.5 / cell_m)
    x *= scale
    y *= scale
    return np.asarray(cv2.merge([x, y]), dtype=np.float32)


def synthesise_terrain(spec: TerrainSpec) -> Terrain:
    """The heightfield of a spec; the same spec always gives the same field.

    The fractal part is scaled so that, together with the craters, the RMS height difference at
    a twelfth of the extent (at most 1 km) meets `relief_scale` times the target.
    """
    cells, cell_m = spec.cells, spec.cell_m
    rng = np.random.default_rng([spec.seed, 1])
    k = _wavenumber(cells) / np.float32(cell_m)  # cycles per metre
    amplitude = (k * k + OUTER_SCALE_M**-2) ** (-(spec.hurst + 1) / 2)
    amplitude /= 1 + (k * spec.rolloff_m) ** 2
    amplitude = amplitude.astype(np.float32)
    relief = _synthesise(rng, cells, amplitude)
    texture = _fine_texture(rng, cells)

    craters = np.zeros((cells, cells), np.float32)
    add_craters(craters, spec, np.random.default_rng([spec.seed, 2]))
    lag = max(1, round(min(cells * cell_m / 12, 1000.0) / cell_m))
    target = spec.relief_scale * target_rms_m(lag * cell_m)
    fractal_rms = _sampled_rms(relief, lag)
    crater_rms = _sampled_rms(craters, lag)
    # Where craters alone exceed the target they win: their depth law is not negotiable.
    wanted = math.sqrt(max(target**2 - crater_rms**2, 0.2 * target**2))
    height = relief * np.float32(wanted / fractal_rms) + craters
    height += _to_roughness(texture, spec)
    add_boulders(height, spec, np.random.default_rng([spec.seed, 4]))
    height -= height.mean()
    return Terrain(spec, height, gradient_of(height, cell_m))


def add_fine_texture(
    height_m: NDArray[np.float32], spec: TerrainSpec, rng: np.random.Generator
) -> None:
    """Roughen a periodic heightfield, in place: `roughness` times `ROUGHNESS_SLOPE`."""
    height_m += _to_roughness(_fine_texture(rng, spec.cells), spec)


def _to_roughness(texture: NDArray[np.float32], spec: TerrainSpec) -> NDArray[np.float32]:
    slope = _sampled_rms(texture, 1) / spec.cell_m
    return np.asarray(texture * np.float32(spec.roughness * ROUGHNESS_SLOPE / slope))


def _fine_texture(rng: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """(N, N) roughness, tiled from at most 1024 nodes: further than an image is wide.

    Free of wavelengths under three cells: bilinear sampling would beat with them.
    """
    tiles = max(1, cells // 1024) if cells % 1024 == 0 else 1
    f = _wavenumber(cells // tiles)
    texture = _synthesise(rng, cells // tiles, (f * f + 1e-3) ** -0.4 * np.exp(-((f / 0.27) ** 4)))
    return np.tile(texture, (tiles, tiles))


def _sampled_rms(field: NDArray[np.float32], lag: int) -> float:
    """`rms_difference_m` from a sixteenth of the nodes."""
    a = field[::4, lag::4] - field[::4, :-lag:4]
    b = field[lag::4, ::4] - field[:-lag:4, ::4]
    return float(np.sqrt((np.mean(a * a) + np.mean(b * b)) / 2)) + 1e-12


def _wavenumber(cells: int) -> NDArray[np.float32]:
    """(N, N//2+1) |k| in cycles per cell, for the half-spectrum of a real field."""
    ky = np.fft.fftfreq(cells).astype(np.float32)
    kx = np.fft.rfftfreq(cells).astype(np.float32)
    return np.asarray(np.sqrt(kx[None] ** 2 + ky[:, None] ** 2), dtype=np.float32)


def _synthesise(
    rng: np.random.Generator, cells: int, amplitude: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, N) Gaussian random field with the given half-spectrum amplitude."""
    shape = (cells, cells // 2 + 1)
    spectrum = np.empty(shape, np.complex64)
    spectrum.real = rng.standard_normal(shape, np.float32)
    spectrum.imag = rng.standard_normal(shape, np.float32)
    spectrum *= amplitude
    # irfft keeps only the Hermitian half of these columns' power.
    spectrum[:, 0] *= np.sqrt(np.float32(2))
    spectrum[0, 0] = 0
    return np.fft.irfft2(spectrum, s=(cells, cells)).astype(np.float32)
