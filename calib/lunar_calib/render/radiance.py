"""What a camera over a heightfield sees: where its rays meet the ground, and how bright that is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.choices import Reflectance
from lunar_calib.render.raycast import cast
from lunar_calib.render.reflectance import phase_term, reflect
from lunar_calib.render.shadows import ShadowField, cast_shadows
from lunar_calib.render.terrain import Terrain
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import FOV_DEG

SAMPLES = 2
"""Shading samples along a side of a pixel."""

_LEAST_MU = 0.02


@dataclass(frozen=True)
class Scene:
    """Ground under a sun.

    Attributes:
        terrain: The heightfield.
        site_m: The world origin's place on it, metres from node (0, 0).
        sun: (3,) unit vector to the sun, world frame.
        reflectance: Photometric model.
        albedo_contrast: RMS of the relative albedo texture; 0 for none.
    """

    terrain: Terrain
    site_m: tuple[float, float]
    sun: NDArray[np.float64]
    reflectance: Reflectance
    albedo_contrast: float


@dataclass(frozen=True)
class TracedView:
    """A camera and its hits: pose (4, 4), Z-depth and 1 / Z-depth (H, W), sky mask (H, W)."""

    pose: NDArray[np.float64]
    rays: list[NDArray[np.float64]]
    depth_m: NDArray[np.float64]
    inverse: NDArray[np.float32]
    sky: NDArray[np.bool_]
    fov_deg: float = FOV_DEG

    def ground_m(self, axis: int) -> tuple[float, float]:
        """Least and largest coordinate of the ground that is seen, world frame."""
        hit = self.pose[axis, 3] + self.depth_m * self.rays[axis]
        return float(np.nanmin(hit)), float(np.nanmax(hit))


def trace_view(
    scene: Scene, size_px: int, pose: NDArray[np.float64], fov_deg: float = FOV_DEG
) -> TracedView:
    """Meet the ground with the ray of every pixel's centre.

    Args:
        scene: The ground.
        size_px: Side of the square image.
        pose: (4, 4) cam2world, metres.
        fov_deg: Across the image.
    """
    rays = pinhole.world_rays(size_px, pose, fov_deg=fov_deg)
    depth = cast(scene.terrain, scene.site_m, pose[:3, 3], rays)
    sky = ~np.isfinite(depth)
    inverse = (1 / depth).astype(np.float32)  # (H, W)
    if sky.any():
        inverse[sky] = np.float32(1e-5) if sky.all() else inverse[~sky].min()
    return TracedView(pose, rays, depth, inverse, sky, fov_deg)


def shadows_of(scene: Scene, views: list[TracedView]) -> ShadowField:
    """The shadows on all the ground that some views see."""
    bounds = []
    for axis in (0, 1):
        ends = [end for view in views for end in view.ground_m(axis)]
        bounds += [
            (scene.site_m[axis] + end) / scene.terrain.cell_m for end in (min(ends), max(ends))
        ]
    return cast_shadows(scene.terrain, (bounds[0], bounds[1], bounds[2], bounds[3]), scene.sun)


def shade(scene: Scene, view: TracedView, shadows: ShadowField | None) -> NDArray[np.float32]:
    """(H, W) radiance, averaged over `SAMPLES`² points of each pixel.

    Sub-pixel hits are interpolated in inverse depth between the exact ones at pixel centres.
    """
    terrain, sun, pose = scene.terrain, scene.sun, view.pose
    f, size = np.float32, view.sky.shape[0]
    fine = (size * SAMPLES, size * SAMPLES)
    t = 1 / cv2.resize(view.inverse, fine, interpolation=cv2.INTER_LINEAR)
    fine_rays = pinhole.world_rays(size, pose, SAMPLES, view.fov_deg)
    dx, dy, dz = (d.astype(f) for d in fine_rays)
    x = t * dx + f(pose[0, 3])
    y = t * dy + f(pose[1, 3])

    inv = f(1 / terrain.cell_m)
    u, v = (x + f(scene.site_m[0])) * inv, (y + f(scene.site_m[1])) * inv
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
    phase = phase_term(scene.reflectance, cos_g.astype(f))
    fine_phase = np.asarray(cv2.resize(phase, fine, interpolation=cv2.INTER_LINEAR), dtype=f)
    # Where sub-pixels were interpolated across a silhouette, the ground they meet is turned away.
    hidden = mu < _LEAST_MU
    radiance = reflect(scene.reflectance, mu0, np.maximum(mu, f(_LEAST_MU)), fine_phase)

    if scene.albedo_contrast > 0:
        ratio = f(terrain.albedo.shape[0] / terrain.spec.cells)
        texture = cv2.remap(
            terrain.albedo, u * ratio, v * ratio, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )
        radiance = radiance * np.exp(f(scene.albedo_contrast) * texture)
    averaged = _area_average(radiance, size)
    if hidden.any():
        share = _area_average(1 - hidden.astype(f), size)
        seen = _area_average(np.where(hidden, f(0), radiance), size)
        averaged = np.where(share > 0, seen / np.maximum(share, f(0.1)), averaged)
    if shadows is not None:
        centre = 1 / view.inverse
        averaged = averaged * shadows.sunlit_fraction(
            *(
                (centre * view.rays[i].astype(f) + f(pose[i, 3] + scene.site_m[i])) * inv
                for i in (0, 1)
            )
        )
    averaged[view.sky] = 0
    return np.asarray(averaged, dtype=np.float32)


def _area_average(samples: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    averaged = cv2.resize(samples, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(averaged, dtype=np.float32)
