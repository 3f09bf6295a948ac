"""What defines a rendered pair: frozen values, drawn in `pair_sampling`, stored as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from lunar_runtime.errors import InputError

from lunar_calib.choices import GeometryKind, Reflectance

FOV_DEG = 45.0
"""Field of view across the square image (StereoLunar: f = 618.04 px at 512 px)."""


@dataclass(frozen=True)
class TerrainSpec:
    """A periodic square heightfield, reproducible from these values alone.

    Attributes:
        seed: Seed of the relief, the craters and the albedo texture.
        cells: Grid nodes along a side.
        cell_m: Distance of two nodes, metres.
        relief_scale: Factor on the target RMS height differences (1 = the StereoLunar mean).
        hurst: H of the power spectrum k^-(2H+2).
        rolloff_m: Wavelength below which the relief's spectrum falls off faster.
        crater_density: Fraction of the equilibrium crater density.
        crater_exponent: Slope of their cumulative size distribution; equilibrium has 1.83.
        crater_max_m: Largest crater diameter, metres.
        fresh_craters: Extra fresh craters, as the sample scenes show one or two in view.
        fresh_crater_m: Their largest diameter; the smallest is a third of it.
        degradation: Factor on the craters' diffusion age; 0 leaves all of them fresh.
        roughness: Strength of the fine texture, `terrain.ROUGHNESS_SLOPE` at 1.
        boulder_abundance: Share of the ground under boulders of any size, by their law.
        boulder_max_m: Largest boulder's diameter, metres.
    """

    seed: int
    cells: int
    cell_m: float
    relief_scale: float = 1.0
    hurst: float = 1.4
    rolloff_m: float = 80.0
    crater_density: float = 0.5
    crater_exponent: float = 1.83
    crater_max_m: float = 8000.0
    fresh_craters: int = 0
    fresh_crater_m: float = 4000.0
    degradation: float = 0.8
    roughness: float = 1.0
    boulder_abundance: float = 0.0
    boulder_max_m: float = 5.0


@dataclass(frozen=True)
class CameraSpec:
    """Where a camera stands and how it is turned.

    Attributes:
        position_m: Camera centre relative to the target: east, north, up (above the site's mean).
        aim_m: Point the optical axis meets before `pitch_deg`, same frame.
        up_hint: Direction that is up in the image before the roll.
        roll_deg: Turn about the optical axis.
        pitch_deg: Turn about the camera's x axis, after aiming.
    """

    position_m: tuple[float, float, float]
    aim_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    up_hint: tuple[float, float, float] = (0.0, 0.0, 1.0)
    roll_deg: float = 0.0
    pitch_deg: float = 0.0


@dataclass(frozen=True)
class ImagingSpec:
    """From radiance to eight bits.

    Attributes:
        psf_sigma_px: Gaussian point spread, pixels.
        albedo_contrast: RMS of the relative albedo texture; 0 for none.
        full_well_e: Electrons at full scale, sets the shot noise; 0 for none.
        read_noise_dn: RMS of the read noise in 8-bit counts.
        vignetting: Relative loss in the corners.
        hot_pixels: Expected number in the image.
        exposure: 0 stretches min-max as StereoLunar; else the count of the 99th percentile.
        jpeg_quality: 1-100 compresses and reads back the image; 0 does not.
        black_level_dn: Count of zero radiance, used when `exposure` is not 0.
    """

    psf_sigma_px: float = 0.6
    albedo_contrast: float = 0.0
    full_well_e: float = 0.0
    read_noise_dn: float = 0.0
    vignetting: float = 0.0
    hot_pixels: float = 0.0
    exposure: float = 0.0
    black_level_dn: float = 0.0
    jpeg_quality: int = 0


@dataclass(frozen=True)
class PairSpec:
    """Everything that decides a pair's pixels.

    Attributes:
        seed: Seed of the image noise.
        size_px: Side of the square images.
        kind: Geometry family.
        terrain: The heightfield.
        site_m: The target's place on the heightfield, metres from node (0, 0).
        left, right: The cameras.
        sun_azimuth_deg: Clockwise from north at the target point.
        sun_elevation_deg: Above the horizontal at the target point.
        reflectance: Photometric model.
        cast_shadows: Whether relief shadows the ground behind it; attached shadows are always on.
        imaging: Optics and detector.
        fov_deg: Of both cameras, across the image.
    """

    seed: int
    size_px: int
    kind: GeometryKind
    terrain: TerrainSpec
    site_m: tuple[float, float]
    left: CameraSpec
    right: CameraSpec
    sun_azimuth_deg: float
    sun_elevation_deg: float
    reflectance: Reflectance = Reflectance.HAPKE
    cast_shadows: bool = False
    imaging: ImagingSpec = field(default_factory=ImagingSpec)
    fov_deg: float = FOV_DEG

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values; `from_dict` gives an equal spec back."""
        values: dict[str, Any] = msgspec.to_builtins(self)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> PairSpec:
        """The inverse of `to_dict`, also after a pass through JSON.

        Raises:
            InputError: A value is missing or of the wrong type.
        """
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"pair spec: {error}; was it written by another version?") from error
