"""The frames of a descent: ground as fine as each needs, and exposures that follow the scene."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.render.image_formation import form_image
from lunar_calib.render.processes import in_processes
from lunar_calib.render.radiance import Scene, TracedView, shade, shadows_of, trace_view
from lunar_calib.render.relief import Relief, WindowTerrain
from lunar_calib.render.renderer import sun_vector
from lunar_calib.specs import pinhole
from lunar_calib.specs.camera_families import ground_points
from lunar_calib.specs.descent_spec import DescentSpec
from lunar_calib.specs.pair_sampling import CELLS_PER_PIXEL
from lunar_calib.specs.pair_spec import FOV_DEG
from lunar_calib.specs.trajectory import fly

_MARGIN = 0.1  # of the ground's extent, in the first try for a window
_TRIES = 6
_CHUNK = 25  # frames that one process renders with one relief
# Exposure control: a frame's exposure is set by the frame before, in steps of an eighth of a stop,
# at most one stop at once, as the exposures of machine-vision cameras are.
_STEP = 2.0**0.125
_MOST_CHANGE = 2.0
_SATURATED = 250  # counts: of a frame whose bright percentile is there nobody knows how bright


_Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class DescentView:
    """One frame and its truth.

    Attributes:
        image: (H, W) uint8.
        exposure: Counts a unit of radiance.
        depth_m: (H, W) float32 Z-depth at pixel centres, metres; NaN where there is no ground.
        cam2world: (4, 4) float64, metres; east, north, up of the site.
        altitude_m: Above the ground straight below.
    """

    image: NDArray[np.uint8]
    exposure: float
    depth_m: NDArray[np.float32]
    cam2world: NDArray[np.float64]
    altitude_m: float


@dataclass(frozen=True)
class _Traced:
    radiance: NDArray[np.float32]
    depth_m: NDArray[np.float32]
    pose: NDArray[np.float64]
    altitude_m: float


class DescentRenderer:
    """Renders any frame of a descent.

    Args:
        spec: What to render.
    """

    def __init__(self, spec: DescentSpec) -> None:
        self.spec = spec
        path = spec.path
        finest = path.to_m * math.cos(math.radians(FOV_DEG / 2))
        wanted = finest / pinhole.focal_px(spec.size_px) / CELLS_PER_PIXEL
        levels = max(0, math.ceil(math.log2(spec.terrain.cell_m / wanted)))
        self.relief = Relief(spec.terrain, levels)
        self.sun = sun_vector(spec.sun_azimuth_deg, spec.sun_elevation_deg)
        self.poses = fly(spec).poses

    def height_m(self, level: int, east_m: float, north_m: float) -> float:
        """Of the ground at a place, above the sphere through the origin."""
        cell = self.spec.terrain.cell_m / 2**level
        box = (east_m - cell, east_m + cell, north_m - cell, north_m + cell)
        terrain = self.relief.window(level, box)
        column, row = (
            round((at - corner) / cell)
            for at, corner in zip((east_m, north_m), terrain.corner_m, strict=True)
        )
        return float(terrain.height_m[row, column])

    def trace(self, number: int) -> _Traced:
        """A frame's radiance and truth, whatever the exposure."""
        spec, pose = self.spec, self.poses[number]
        level = self.relief.level_for(self._cell_m(pose))
        scene, view = self._view(level, pose)
        shadows = shadows_of(scene, [view]) if spec.cast_shadows else None
        east, north, up = (float(value) for value in pose[:3, 3])
        below = self.height_m(level, east, north) - (east**2 + north**2) / (2 * MOON_RADIUS_M)
        return _Traced(
            shade(scene, view, shadows), view.depth_m.astype(np.float32), pose, up - below
        )

    def site(self, cells: int = 1024) -> WindowTerrain:
        """The finest ground around the landing site."""
        half = (cells - 2) / 2 * self.spec.terrain.cell_m / 2**self.relief.levels
        return self.relief.window(self.relief.levels, (-half, half, -half, half))

    def _cell_m(self, pose: NDArray[np.float64]) -> float:
        ground = ground_points(pose, 8)
        depth = pinhole.transform(pinhole.invert(pose), ground)[:, 2]
        near = float(np.percentile(depth, 20))
        return near / pinhole.focal_px(self.spec.size_px) / CELLS_PER_PIXEL

    def _view(self, level: int, pose: NDArray[np.float64]) -> tuple[Scene, TracedView]:
        """The frame over a window that holds all of its ground, and what may shade it."""
        spec = self.spec
        ground = ground_points(pose, 8)
        box = _grown((*_ends(ground[:, 0]), *_ends(ground[:, 1])), _MARGIN)
        for _ in range(_TRIES):
            terrain = self.relief.window(level, box)
            scene = Scene(
                terrain,
                (-terrain.corner_m[0], -terrain.corner_m[1]),
                self.sun,
                spec.reflectance,
                spec.imaging.albedo_contrast,
            )
            view = trace_view(scene, spec.size_px, pose)
            needed = self._needed(terrain, view)
            if _holds(terrain.box_m, needed):
                return scene, view
            box = _grown(needed, _MARGIN)  # a wider window may hold higher ground
        raise RuntimeError("the frame sees further than any window of its ground")

    def _needed(self, terrain: WindowTerrain, view: TracedView) -> _Box:
        """The box of the ground that is seen, of the rays over relief, and of shadows' sources."""
        ends: list[float] = []
        ceiling = terrain.high_m
        for axis in (0, 1):
            low, high = view.ground_m(axis)
            start = view.pose[axis, 3]
            # Where rays come below the highest relief: between the hit and the camera.
            drop = view.pose[2, 3] - ceiling
            if drop > 0:
                down = np.minimum(view.rays[2], -1e-3)
                entered = start - drop / down * view.rays[axis]
                low, high = min(low, float(entered.min())), max(high, float(entered.max()))
            else:
                low, high = min(low, start), max(high, start)
            ends += [low, high]
        if self.spec.cast_shadows:
            reach = (terrain.high_m - terrain.low_m) / self.sun[2]
            for axis in (0, 1):
                towards = float(reach * self.sun[axis])
                ends[2 * axis] += min(0.0, towards)
                ends[2 * axis + 1] += max(0.0, towards)
        return ends[0], ends[1], ends[2], ends[3]


@lru_cache(maxsize=1)  # a process renders one descent, in several chunks
def descent_renderer(spec: DescentSpec) -> DescentRenderer:
    """The renderer of a descent, made once."""
    return DescentRenderer(spec)


def render_descent(spec: DescentSpec, jobs: int = 1) -> Iterator[DescentView]:
    """Render the frames in order.

    Args:
        spec: What to render.
        jobs: Processes; what they render does not depend on their number.
    """
    chunks = [
        (spec, first, min(first + _CHUNK, spec.frames)) for first in range(0, spec.frames, _CHUNK)
    ]
    rng = np.random.default_rng([spec.seed, 11])
    gain: float | None = None
    for chunk in in_processes(_trace_chunk, chunks, jobs):
        for traced in chunk:
            if gain is None:  # the first frame was metered before
                gain = spec.imaging.exposure / max(_bright(traced.radiance), 1e-9)
            image = form_image(traced.radiance, spec.imaging, rng, gain)
            yield DescentView(image, gain, traced.depth_m, traced.pose, traced.altitude_m)
            gain *= _correction(image, spec)


def _trace_chunk(spec: DescentSpec, first: int, last: int) -> list[_Traced]:
    renderer = descent_renderer(spec)
    return [renderer.trace(number) for number in range(first, last)]


def _correction(image: NDArray[np.uint8], spec: DescentSpec) -> float:
    """The factor on the next frame's exposure, as a camera takes it from this frame's counts."""
    seen = _bright(image) - spec.imaging.black_level_dn
    wanted = 0.5 if seen > _SATURATED else spec.imaging.exposure / max(seen, 1.0)
    stepped = _STEP ** round(math.log(wanted) / math.log(_STEP))
    return float(np.clip(stepped, 1 / _MOST_CHANGE, _MOST_CHANGE))


def _bright(values: NDArray[np.float32] | NDArray[np.uint8]) -> float:
    return float(np.percentile(values, 99))


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _grown(box: _Box, share: float) -> _Box:
    east, north = share * (box[1] - box[0]), share * (box[3] - box[2])
    return box[0] - east, box[1] + east, box[2] - north, box[3] + north


def _holds(box: _Box, inner: _Box) -> bool:
    return box[0] <= inner[0] and inner[1] <= box[1] and box[2] <= inner[2] and inner[3] <= box[3]
