"""Descents over one ground: pairs from several heights, poses as wrong as they are told to be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from lunar_calib.choices import GeometryKind
from lunar_calib.render.raycast import sample_height
from lunar_calib.render.renderer import render_pair
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.render.true_hazards import exact_grid
from lunar_calib.specs.pair_sampling import altitude_for, sample_spec
from lunar_calib.specs.pair_spec import CameraSpec, PairSpec
from lunar_calib.truth.known_pairs import KnownPair, known_pair
from lunar_runtime import Rig
from lunar_runtime.fusion.posed_view import PoseSigma
from lunar_runtime.landing.ground_grid import GroundGrid
from numpy.typing import NDArray

from lunar_bench.landing.cases import FINER, SUNS_DEG

#: What poses are told to err by, and do.
SIGMA = PoseSigma(position_m=0.3, attitude_deg=0.1, scale=0.002)
_HIGHEST = 2.5  # the first camera's height over the last one's
_HEIGHTS_M = (80.0, 350.0)  # of the last camera


@dataclass(frozen=True)
class PosedPair:
    """A pair, and what the vehicle believes of its left camera.

    Attributes:
        pair: Images, cameras, truth.
        world_from_left: (4, 4) metres, with the errors of `SIGMA`.
    """

    pair: KnownPair
    world_from_left: NDArray[np.float64]

    @property
    def rig(self) -> Rig:
        """What the runtime is told: the relative pose is true, its length is not."""
        pair = self.pair
        return Rig(pair.camera_left, pair.camera_right, pair.right_from_left, pair.up_left)


@dataclass(frozen=True)
class Descent:
    """One ground, and where it is seen from.

    Attributes:
        name: For a table.
        specs: Of the pairs, the highest first; their terrain is one.
        seed: Of the poses' errors.
    """

    name: str
    specs: tuple[PairSpec, ...]
    seed: int

    @cached_property
    def terrain(self) -> Terrain:
        """The ground, made when it is first asked for."""
        return synthesise_terrain(self.specs[0].terrain)

    def pairs(self) -> Iterator[PosedPair]:
        """Render them."""
        rng = np.random.default_rng([self.seed, 29])
        for number, spec in enumerate(self.specs):
            pair = render_pair(spec, self.terrain)
            known = known_pair(f"{self.name} view {number}", pair)
            pose = pair.left.cam2world.copy()
            turn = rng.normal(0, math.radians(SIGMA.attitude_deg), 3)
            pose[:3, :3] = cv2.Rodrigues(turn)[0] @ pose[:3, :3]
            pose[:3, 3] += rng.normal(0, SIGMA.position_m, 3)
            told = known.right_from_left.copy()
            told[:3, 3] *= 1 + rng.normal(0, SIGMA.scale)
            yield PosedPair(replace(known, right_from_left=told), pose)

    def truth(self, grid: GroundGrid) -> GroundGrid:
        """The ground below a grid's cells in the world, on cells half as wide."""
        rows, columns = (side * FINER for side in grid.shape)
        cell = grid.cell_m / FINER
        site = self.specs[0].site_m
        east, north = np.meshgrid(
            grid.x0_m + cell * np.arange(columns) + site[0],
            grid.y0_m - cell * np.arange(rows) + site[1],
        )
        height = sample_height(self.terrain, east, north)[0]
        return exact_grid(grid.frame, height, cell, corner_m=(grid.x0_m, grid.y0_m))


def descents(count: int, views: int, seed: int, size_px: int = 512) -> Iterator[Descent]:
    """Landings over boulders and craters from 200 to 875 m down to 80 to 350 m, three suns."""
    number = seed
    for done in range(count):
        spec = sample_spec(number, size_px, kind=GeometryKind.LANDING)
        while not _HEIGHTS_M[0] <= altitude_for(spec.terrain, size_px) <= _HEIGHTS_M[1]:
            number += 1
            spec = sample_spec(number, size_px, kind=GeometryKind.LANDING)
        spec = replace(spec, sun_elevation_deg=SUNS_DEG[done % len(SUNS_DEG)])
        yield Descent(
            f"descent {number}",
            tuple(_specs(spec, views, altitude_for(spec.terrain, size_px))),
            number,
        )
        number += 1


def _specs(spec: PairSpec, views: int, lowest_m: float) -> Iterator[PairSpec]:
    rng = np.random.default_rng([spec.seed, 23])
    track = float(rng.uniform(0, 2 * math.pi))
    for number in range(views):
        height = lowest_m * _HIGHEST ** (1 - number / max(1, views - 1))
        left, right = _cameras(rng, height, track)
        yield replace(spec, seed=spec.seed * 100 + number, left=left, right=right)


def _cameras(
    rng: np.random.Generator, height_m: float, track: float
) -> tuple[CameraSpec, CameraSpec]:
    """Two frames of a descent near the site: along the track, up to 20 degrees off nadir."""
    aside, azimuth = math.tan(math.radians(rng.uniform(0, 20))), rng.uniform(0, 2 * math.pi)
    along = np.array([math.sin(track), math.cos(track)])
    behind = height_m * aside * np.array([math.sin(azimuth), math.cos(azimuth)])
    step, fall = height_m * rng.uniform(0.1, 0.16), rng.uniform(0, 0.04)
    centre = rng.uniform(-0.1, 0.1, 2) * height_m
    cameras = []
    for way, height in ((-0.5, height_m), (0.5, height_m * (1 - fall))):
        east, north = (centre + way * step * along - behind).tolist()
        aim = (centre + rng.uniform(-0.02, 0.02, 2) * height_m).tolist()
        cameras.append(
            CameraSpec(
                (east, north, float(height)),
                aim_m=(aim[0], aim[1], 0.0),
                up_hint=(float(along[0]), float(along[1]), 0.0),
                roll_deg=float(rng.uniform(-5, 5)),
            )
        )
    return cameras[0], cameras[1]
