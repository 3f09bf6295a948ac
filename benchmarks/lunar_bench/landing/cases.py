"""Pairs whose true hazards are known: rendered landings, and StereoLunar at its own scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

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


@dataclass(frozen=True)
class LandingCase:
    """A pair, a vehicle, and the ground as it is.

    Attributes:
        pair: Images, cameras, and the left view's true depth.
        lander: The vehicle.
        truth: The ground below a grid's cells, without errors, on cells `finer` times as small.
        finer: Cells a side of the grid's.
        sun_elevation_deg: None = not known.
    """

    pair: KnownPair
    lander: Lander
    truth: Callable[[GroundGrid], GroundGrid]
    finer: int
    sun_elevation_deg: float | None

    @property
    def rig(self) -> Rig:
        """What the runtime is told: cameras, pose and up, all true."""
        pair = self.pair
        return Rig(pair.camera_left, pair.camera_right, pair.right_from_left, pair.up_left)


def rendered_cases(count: int, seed: int, size_px: int = 512) -> Iterator[LandingCase]:
    """Landings over boulders and craters, under three suns in turn, clean and realistic images."""
    for number in range(count):
        spec = sample_spec(seed + number, size_px, kind=GeometryKind.LANDING)
        spec = replace(spec, sun_elevation_deg=SUNS_DEG[number % len(SUNS_DEG)])
        terrain = synthesise_terrain(spec.terrain)
        pair = render_pair(spec, terrain)
        yield LandingCase(
            known_pair(f"landing {seed + number}", pair),
            LANDER,
            _TrueTerrain(terrain, spec, pair.left.cam2world),
            FINER,
            spec.sun_elevation_deg,
        )


def stereolunar_cases(folder: Path) -> Iterator[LandingCase]:
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
        yield LandingCase(pair, lander, _TrueDepth(points, pair), 1, None)


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
        return exact_grid(grid.frame, height, grid.cell_m, corner_m=(grid.x0_m, grid.y0_m))
