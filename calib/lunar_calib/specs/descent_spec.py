"""What defines a rendered descent: frozen values, drawn from a seed, stored in `descent.json`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np

from lunar_calib.choices import DescentPath, Preset, Reflectance
from lunar_calib.specs import pinhole
from lunar_calib.specs.camera_families import log_uniform
from lunar_calib.specs.pair_sampling import CELLS_PER_PIXEL, sample_imaging
from lunar_calib.specs.pair_spec import FOV_DEG, ImagingSpec, TerrainSpec


@dataclass(frozen=True)
class PathSpec:
    """How the camera moves.

    Constant deceleration down to a last speed: the vehicle comes down along a straight track.

    Attributes:
        from_m: Height above the site at the first frame.
        to_m: Height at the last frame.
        slowing_ms2: Net vertical deceleration, m/s².
        last_ms: Vertical speed at the last frame, m/s.
        along: Way along the ground for each metre of height.
        track_deg: Direction of the way, clockwise from north.
        tilt_deg: Of the optical axis from straight down, ahead, at the first frame.
        tilt_power: The tilt shrinks with this power of the height.
        sway_deg: Amplitude of the slow turns about all three axes; about the optical one 5 times.
    """

    from_m: float
    to_m: float
    slowing_ms2: float
    last_ms: float
    along: float
    track_deg: float
    tilt_deg: float
    tilt_power: float
    sway_deg: float

    @property
    def duration_s(self) -> float:
        """From the first frame to the last."""
        drop, a, v = self.from_m - self.to_m, self.slowing_ms2, self.last_ms
        return (math.sqrt(v * v + 2 * a * drop) - v) / a


@dataclass(frozen=True)
class NavigationSpec:
    """How wrong the vehicle's own knowledge is: standard deviations.

    Attributes:
        velocity: Of the velocity along each axis, as a share of the speed; wanders in `wander_s`.
        attitude_deg: Of the attitude about each axis; wanders in `wander_s`.
        jitter_deg: Of the attitude, anew in each frame.
        altitude: Of the altimeter, as a share of the altitude, anew in each frame.
        wander_s: Time after which an error is another one.
    """

    velocity: float = 0.02
    attitude_deg: float = 0.02
    jitter_deg: float = 0.003
    altitude: float = 0.005
    wander_s: float = 20.0


@dataclass(frozen=True)
class DescentSpec:
    """Everything that decides a descent's pixels, poses and errors.

    Attributes:
        seed: Of the noise of images and navigation.
        size_px: Side of the square frames.
        frames: How many.
        path: How the camera moves.
        navigation: What the vehicle knows of it.
        terrain: The coarsest ground; finer ground is added as the camera comes nearer.
        sun_azimuth_deg: Clockwise from north at the site.
        sun_elevation_deg: Above the horizontal at the site.
        reflectance: Photometric model.
        cast_shadows: Whether relief shadows the ground behind it.
        imaging: Optics and detector; `exposure` is what exposure control aims at.
    """

    seed: int
    size_px: int
    frames: int
    path: PathSpec
    navigation: NavigationSpec
    terrain: TerrainSpec
    sun_azimuth_deg: float
    sun_elevation_deg: float
    reflectance: Reflectance
    cast_shadows: bool
    imaging: ImagingSpec

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values


def sample_descent(
    seed: int,
    size_px: int = 256,
    frames: int = 200,
    path: DescentPath | str = DescentPath.APPROACH,
    preset: Preset | str = Preset.REALISTIC,
    navigation: NavigationSpec | None = None,
) -> DescentSpec:
    """Draw a descent.

    Args:
        seed: Decides everything; the same arguments give the same spec.
        size_px: Side of the frames.
        frames: How many, at equal times.
        path: Which way down.
        preset: Image style.
        navigation: How wrong poses and altitudes are; None takes the usual errors.
    """
    rng = np.random.default_rng([seed, 13])
    approach = DescentPath(path) is DescentPath.APPROACH
    way = PathSpec(
        from_m=10_000.0 if approach else 500.0,
        to_m=50.0 if approach else 20.0,
        slowing_ms2=2.0 if approach else 0.2,
        last_ms=2.0 if approach else 1.0,
        along=float(rng.uniform(0.9, 1.3)) if approach else float(rng.uniform(0.3, 0.6)),
        track_deg=float(rng.uniform(0, 360)),
        tilt_deg=float(rng.uniform(30, 38)) if approach else float(rng.uniform(5, 15)),
        tilt_power=0.3,
        sway_deg=1.5,
    )
    realistic = Preset(preset) is Preset.REALISTIC or (
        Preset(preset) is Preset.MIX and rng.uniform() < 0.5
    )
    imaging = sample_imaging(rng, realistic=realistic)
    return DescentSpec(
        seed=seed,
        size_px=size_px,
        frames=frames,
        path=way,
        navigation=navigation or NavigationSpec(),
        terrain=_coarsest(rng, seed, size_px, way, approach=approach),
        sun_azimuth_deg=float(rng.uniform(0, 360)),
        sun_elevation_deg=float(rng.uniform(15, 45)),
        reflectance=Reflectance.HAPKE,
        cast_shadows=realistic,
        # Exposure is what is controlled here: a stretch of each frame would hide it.
        imaging=replace(imaging, exposure=float(rng.uniform(150, 210))),
    )


def _coarsest(
    rng: np.random.Generator, seed: int, size_px: int, path: PathSpec, *, approach: bool
) -> TerrainSpec:
    """Ground that somebody chose to land on, as fine as the first frame's nearest pixels need."""
    tilt = math.radians(path.tilt_deg)
    half = math.radians(FOV_DEG / 2)
    nearest = path.from_m * math.cos(half) / math.cos(min(0.0, tilt - half))
    cell = nearest / pinhole.focal_px(size_px) / CELLS_PER_PIXEL
    cells = 8 * size_px
    extent = cells * cell
    return TerrainSpec(
        seed=int(seed),
        cells=cells,
        cell_m=float(cell),
        relief_scale=log_uniform(rng, 0.2, 0.5),
        hurst=float(rng.uniform(1.4, 1.9)),
        rolloff_m=8 * float(cell),
        crater_density=log_uniform(rng, 0.3, 1.0),
        crater_max_m=0.1 * extent,
        fresh_craters=int(rng.poisson(6)),
        fresh_crater_m=0.06 * extent,
        degradation=float(rng.uniform(0.6, 1.0)),
        roughness=log_uniform(rng, 0.5, 1.2),
        boulder_abundance=log_uniform(rng, 0.01, 0.1),
        boulder_max_m=log_uniform(rng, 1.0, 4.0),
    )
