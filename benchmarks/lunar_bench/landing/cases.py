"""Pairs whose true hazards are known: rendered landings, and StereoLunar at its own scale."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from lunar_calib.choices import GeometryKind
from lunar_calib.render.raycast import sample_height
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.render.true_hazards import exact_grid
from lunar_calib.specs.pair_sampling import sample_spec
from lunar_calib.specs.pair_spec import PairSpec
from lunar_calib.truth.known_pairs import KnownPair, known_pair, stereolunar_pairs
from lunar_runtime import Rig
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.geometry.rig import ATTITUDE_SIGMA_DEG
from lunar_runtime.landing.ground_grid import GridSource, GroundGrid, ground_grid
from lunar_runtime.landing.lander import Lander
from numpy.typing import NDArray

#: The vehicle that rendered landings are tried for.
LANDER = Lander(
    name="four legs",
    footprint_diameter_m=10,
    pad_circle_diameter_m=9,
    pad_diameter_m=0.6,
    slope_limit_deg=10,
    roughness_limit_m=0.5,
)
SUNS_DEG = (8.0, 20.0, 40.0)  # elevations, in turn
FINER = 2  # true cells a side of a cell: boulders between its centres count
_ACROSS_PX = (5.0, 8.0, 11.0)  # footprints on orbital pairs, in turn


class TypicalError(NamedTuple):
    """Of a method on pairs like these: the median pair's root mean square.

    Attributes:
        slope_deg: Of a footprint's slope.
        roughness_m: Of its roughness.
    """

    slope_deg: float
    roughness_m: float


class TypicalErrors(NamedTuple):
    """Of the methods that know no error of their own."""

    network: TypicalError
    sgbm: TypicalError


# Of 16 rendered landings from seed 20000, which no record counts.
_ON_LANDINGS = TypicalErrors(TypicalError(5.1, 0.15), TypicalError(2.7, 0.57))
# Of the published pairs themselves: there are no others.
_ON_STEREOLUNAR = TypicalErrors(TypicalError(8.4, 3.3), TypicalError(8.1, 7.7))


@dataclass(frozen=True)
class LandingCase:
    """A pair, a vehicle, and the ground as it is.

    Attributes:
        pair: Images, cameras, and the left view's true depth.
        lander: The vehicle.
        truth: The ground below a grid's cells, without errors, on cells `finer` times as small.
        finer: Cells a side of the grid's.
        sun_elevation_deg: None = not known.
        typical: How wrong other methods are on such pairs.
        attitude_sigma_deg: What up is told to err by about each axis, and does.
    """

    pair: KnownPair
    lander: Lander
    truth: Callable[[GroundGrid], GroundGrid]
    finer: int
    sun_elevation_deg: float | None
    typical: TypicalErrors
    attitude_sigma_deg: float = ATTITUDE_SIGMA_DEG

    @property
    def rig(self) -> Rig:
        """What the runtime is told: true cameras, the true pose, and an up that errs."""
        pair = self.pair
        return Rig(
            pair.camera_left,
            pair.camera_right,
            pair.right_from_left,
            self._told_up(),
            attitude_sigma_deg=self.attitude_sigma_deg,
        )

    def _told_up(self) -> NDArray[np.float64]:
        """The true one, leaning by an error that the pair's name decides."""
        up = np.asarray(self.pair.up_left, np.float64)
        random = np.random.default_rng([zlib.crc32(self.pair.name.encode()), 1])
        across = np.linalg.svd(up[None])[2][1:]
        told = up + np.radians(self.attitude_sigma_deg) * random.standard_normal(2) @ across
        return np.asarray(told / np.linalg.norm(told))


class Planned(NamedTuple):
    """A case that is made when it is wanted: rendering takes seconds.

    Attributes:
        name: Of its pair.
        make: Makes it.
    """

    name: str
    make: Callable[[], LandingCase]


def planned_landings(
    count: int,
    seed: int,
    size_px: int = 512,
    *,
    kind: GeometryKind = GeometryKind.LANDING,
    attitude_sigma_deg: float = ATTITUDE_SIGMA_DEG,
) -> Iterator[Planned]:
    """Landings over boulders and craters, under three suns in turn, clean and realistic images."""

    def make(number: int) -> LandingCase:
        spec = sample_spec(seed + number, size_px, kind=kind)
        spec = replace(spec, sun_elevation_deg=SUNS_DEG[number % len(SUNS_DEG)])
        terrain = synthesise_terrain(spec.terrain)
        pair = render_pair(spec, terrain)
        return LandingCase(
            known_pair(f"{kind.value} {seed + number}", pair),
            LANDER,
            _TrueTerrain(terrain, spec, pair.left.cam2world),
            FINER,
            spec.sun_elevation_deg,
            _ON_LANDINGS,
            attitude_sigma_deg,
        )

    for number in range(count):
        yield Planned(f"{kind.value} {seed + number}", partial(make, number))


def rendered_cases(count: int, seed: int, size_px: int = 512) -> Iterator[LandingCase]:
    """`planned_landings`, made."""
    return (one.make() for one in planned_landings(count, seed, size_px))


def planned(cases: Iterable[LandingCase]) -> Iterator[Planned]:
    """Cases that are at hand."""
    return (Planned(case.pair.name, partial(_itself, case)) for case in cases)


def _itself(case: LandingCase) -> LandingCase:
    return case


def stereolunar_cases(
    folder: Path, attitude_sigma_deg: float = ATTITUDE_SIGMA_DEG
) -> Iterator[LandingCase]:
    """Published pairs, with vehicles of 5, 8 and 11 pixels: a scale that no lander has."""
    for number, pair in enumerate(stereolunar_pairs(folder)):
        rays = pixel_rays(pair.camera_left, *pair.depth.shape)
        points = np.asarray(rays * pair.depth[..., None], np.float32)
        ground_px = float(np.nanmedian(pair.depth)) / pair.camera_left.fx
        across = _ACROSS_PX[number % len(_ACROSS_PX)] * ground_px
        lander = Lander(
            name=f"{_ACROSS_PX[number % len(_ACROSS_PX)]:g} pixels",
            footprint_diameter_m=min(1000.0, across),
            pad_diameter_m=across / 20,
            slope_limit_deg=10,
            roughness_limit_m=0.05 * across,
        )
        truth = _TrueDepth(points, pair)
        yield LandingCase(pair, lander, truth, 1, None, _ON_STEREOLUNAR, attitude_sigma_deg)


@dataclass(frozen=True)
class _TrueTerrain:
    """A rendered terrain below a left camera."""

    terrain: Terrain
    spec: PairSpec
    cam2world: NDArray[np.float64]

    def __call__(self, grid: GroundGrid) -> GroundGrid:
        rows, columns = (side * FINER for side in grid.shape)
        cell = grid.cell_m / FINER
        x = grid.x0_m + cell * np.arange(columns)
        y = grid.y0_m - cell * np.arange(rows)
        axes, origin = grid.frame.axes, grid.frame.origin
        point = x[None, :, None] * axes[0] + y[:, None, None] * axes[1] + origin
        world = point @ self.cam2world[:3, :3].T + self.cam2world[:3, 3]
        east, north = (world[..., i] + self.spec.site_m[i] for i in (0, 1))
        height = sample_height(self.terrain, east, north)[0]
        return exact_grid(grid.frame, height, cell, corner_m=(grid.x0_m, grid.y0_m))


@dataclass(frozen=True)
class _TrueDepth:
    """True points of a left view."""

    points: NDArray[np.float32]
    pair: KnownPair

    def __call__(self, grid: GroundGrid) -> GroundGrid:
        up = self.pair.up_left
        source = GridSource(self.points, self.pair.camera_left, np.asarray(up))
        height = ground_grid(source, like=grid).height
        # The grid's up may err: what it leans by is not the ground's.
        leans = grid.frame.axes[:2] @ np.asarray(up)
        x, y = (along.astype(np.float64) for along in grid.centres())
        height = height + leans[0] * x + leans[1] * y[:, None]
        return exact_grid(grid.frame, height, grid.cell_m, corner_m=(grid.x0_m, grid.y0_m))
