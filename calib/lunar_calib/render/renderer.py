"""A pair from its spec: depth by ray casting, brightness by reflectance and image formation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lunar_calib.render.image_formation import form_image
from lunar_calib.render.radiance import Scene, shade, shadows_of, trace_view
from lunar_calib.render.terrain import Terrain, synthesise_terrain
from lunar_calib.render.views import RenderedPair, RenderedView
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import PairSpec


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
    sun = sun_vector(spec.sun_azimuth_deg, spec.sun_elevation_deg)
    scene = Scene(terrain, spec.site_m, sun, spec.reflectance, spec.imaging.albedo_contrast)
    traced = []
    for camera in (spec.left, spec.right):
        pose = pinhole.cam2world(camera)
        pose[2, 3] += level
        traced.append(trace_view(scene, spec.size_px, pose, spec.fov_deg))
    shadows = shadows_of(scene, traced) if spec.cast_shadows else None
    left, right = (
        RenderedView(
            image=form_image(shade(scene, view, shadows), spec.imaging, rng),
            depth_m=view.depth_m.astype(np.float32),
            intrinsics=pinhole.intrinsics(spec.size_px, spec.fov_deg),
            cam2world=view.pose,
        )
        for view in traced
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
