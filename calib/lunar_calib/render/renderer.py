"""A pair from its spec: depth by ray casting, brightness by reflectance and image formation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.render.image_formation import form_image
from lunar_calib.render.raycast import cast
from lunar_calib.render.reflectance import phase_term, reflect
from lunar_calib.render.shadows import ShadowField, cast_shadows
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.render.views import RenderedPair, RenderedView
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import CameraSpec, PairSpec

SAMPLES = 2
"""Shading samples along a side of a pixel."""

_LEAST_MU = 0.02


def render_pair(spec: PairSpec, terrain: Terrain | None = None) -> RenderedPair:
    """Render both views.

    Args:
        spec: From `sample_spec`, or written by hand.
        terrain: The spec's terrain if it is at hand already; made from the spec otherwise.

    Returns:
        Images, depths, cameras. Deterministic: the same spec gives the same bytes.
    """
    if terrain is None or terrain.spec != spec.terrain:
        terrain = synthesise_terrain(spec.terrain)
    rng = np.random.default_rng([spec.seed, 11])
    level = site_level_m(terrain, spec)
    geometry = [_trace_view(spec, terrain, camera, level) for camera in (spec.left, spec.right)]
    sun = sun_vector(spec.sun_azimuth_deg, spec.sun_elevation_deg)
    shadows = None
    if spec.cast_shadows:
        shadows = cast_shadows(terrain, _window(spec, terrain, geometry), sun)
    left, right = (
        RenderedView(
            image=form_image(_shade(spec, terrain, view, sun, shadows), spec.imaging, rng),
            depth_m=view.depth_m.astype(np.float32),
            intrinsics=pinhole.intrinsics(spec.size_px),
            cam2world=view.pose,
        )
        for view in geometry
    )
    return RenderedPair(left, right, spec)


def site_level_m(terrain: Terrain, spec: PairSpec) -> float:
    """Mean height around the site, over half the camera's height; camera heights add to it."""
    n, cell = terrain.spec.cells, terrain.cell_m
    reach = int(0.25 * spec.left.position_m[2] / cell)
    stride = max(1, reach // 16)
    offsets = np.arange(-reach, reach + 1, stride)
    rows = (offsets + round(spec.site_m[1] / cell)) % n
    cols = (offsets + round(spec.site_m[0] / cell)) % n
    return float(terrain.height_m[np.ix_(rows, cols)].mean())


def sun_vector(azimuth_deg: float, elevation_deg: float) -> NDArray[np.float64]:
    """(3,) unit vector to the sun in east, north, up; azimuth clockwise from north."""
    az, el = math.radians(azimuth_deg), math.radians(elevation_deg)
    return np.array([math.cos(el) * math.sin(az), math.cos(el) * math.cos(az), math.sin(el)])


@dataclass(frozen=True)
class _TracedView:
    """A camera and its hits: pose (4, 4), Z-depth and 1 / Z-depth (H, W), sky mask (H, W)."""

    pose: NDArray[np.float64]
    rays: list[NDArray[np.float64]]
    depth_m: NDArray[np.float64]
    inverse: NDArray[np.float32]
    sky: NDArray[np.bool_]


def _trace_view(
    spec: PairSpec, terrain: Terrain, camera: CameraSpec, level_m: float
) -> _TracedView:
    pose = pinhole.cam2world(camera)
    pose[2, 3] += level_m
    rays = pinhole.world_rays(spec.size_px, pose)
    depth = cast(terrain, spec.site_m, pose[:3, 3], rays)
    sky = ~np.isfinite(depth)
    inverse = (1 / depth).astype(np.float32)  # (H, W)
    if sky.any():
        inverse[sky] = np.float32(1e-5) if sky.all() else inverse[~sky].min()
    return _TracedView(pose, rays, depth, inverse, sky)


def _window(
    spec: PairSpec, terrain: Terrain, views: list[_TracedView]
) -> tuple[float, float, float, float]:
    """First and last column and row of the grid that the views' pixels meet."""
    bounds = []
    for axis in (0, 1):
        ends = []
        for view in views:
            hit = view.pose[axis, 3] + view.depth_m * view.rays[axis]
            ends += [float(np.nanmin(hit)), float(np.nanmax(hit))]
        bounds += [(spec.site_m[axis] + end) / terrain.cell_m for end in (min(ends), max(ends))]
    return bounds[0], bounds[1], bounds[2], bounds[3]


def _shade(
    spec: PairSpec,
    terrain: Terrain,
    view: _TracedView,
    sun: NDArray[np.float64],
    shadows: ShadowField | None,
) -> NDArray[np.float32]:
    """(H, W) radiance, averaged over `SAMPLES`² points of each pixel.

    Sub-pixel hits are interpolated in inverse depth between the exact ones at pixel centres.
    """
    f, size, pose = np.float32, spec.size_px, view.pose
    fine = (size * SAMPLES, size * SAMPLES)
    t = 1 / cv2.resize(view.inverse, fine, interpolation=cv2.INTER_LINEAR)
    dx, dy, dz = (d.astype(f) for d in pinhole.world_rays(size, pose, SAMPLES))
    x = t * dx + f(pose[0, 3])
    y = t * dy + f(pose[1, 3])

    inv = f(1 / terrain.cell_m)
    u, v = (x + f(spec.site_m[0])) * inv, (y + f(spec.site_m[1])) * inv
    slopes = cv2.remap(terrain.gradient, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    gx = slopes[..., 0] - x * f(1 / MOON_RADIUS_M)
    gy = slopes[..., 1] - y * f(1 / MOON_RADIUS_M)
    normal = 1 / np.sqrt(1 + gx * gx + gy * gy)
    length = 1 / np.sqrt(dx * dx + dy * dy + dz * dz)
    mu0 = (f(sun[2]) - gx * f(sun[0]) - gy * f(sun[1])) * normal
    mu = (gx * dx + gy * dy - dz) * (normal * length)

    coarse = view.rays
    cos_g = -(coarse[0] * sun[0] + coarse[1] * sun[1] + coarse[2] * sun[2])
    cos_g /= np.sqrt(coarse[0] ** 2 + coarse[1] ** 2 + coarse[2] ** 2)
    phase = phase_term(spec.reflectance, cos_g.astype(f))
    fine_phase = np.asarray(cv2.resize(phase, fine, interpolation=cv2.INTER_LINEAR), dtype=f)
    # Where sub-pixels were interpolated across a silhouette, the ground they meet is turned away.
    hidden = mu < _LEAST_MU
    radiance = reflect(spec.reflectance, mu0, np.maximum(mu, f(_LEAST_MU)), fine_phase)

    if spec.imaging.albedo_contrast > 0:
        ratio = f(terrain.albedo.shape[0] / terrain.spec.cells)
        texture = cv2.remap(
            terrain.albedo, u * ratio, v * ratio, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        radiance = radiance * np.exp(f(spec.imaging.albedo_contrast) * texture)
    averaged = _area_average(radiance, size)
    if hidden.any():
        share = _area_average(1 - hidden.astype(f), size)
        seen = _area_average(np.where(hidden, f(0), radiance), size)
        averaged = np.where(share > 0, seen / np.maximum(share, f(0.1)), averaged)
    if shadows is not None:
        centre = 1 / view.inverse
        averaged = averaged * shadows.sunlit_fraction(
            *(
                (centre * view.rays[i].astype(f) + f(pose[i, 3] + spec.site_m[i])) * inv
                for i in (0, 1)
            )
        )
    averaged[view.sky] = 0
    return np.asarray(averaged, dtype=np.float32)


def _area_average(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    averaged = cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, dtype=np.float32)
