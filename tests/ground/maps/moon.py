"""Results of an analytic Moon, whose every point is known in closed form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_ground.commands.map import main
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from lunar_runtime.report.outputs import write_result
from numpy.typing import NDArray
from runtime.results import refined_result

Array = NDArray[np.float64]


def run(capture: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `lunar-map` with these arguments."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    captured = capture.readouterr()
    return int(stop.value.code or 0), captured.out, captured.err


def direction(latitude: float, longitude: float) -> Array:
    lat, lon = np.radians([latitude, longitude])
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def relief(directions: Array) -> Array:
    """Metres above 1737.4 km: a kilometre, with hills of 60 m on 12 km."""
    wave = directions @ np.array([0.48, 0.6, 0.64]) * MOON_RADIUS_M / 2000
    return np.asarray(1000 + 60 * np.sin(wave))


def body_from_left(
    latitude: float, longitude: float, altitude_m: float = 40_000, tilt_deg: float = 12
) -> Array:
    """A camera above a place, looking down and a little aside, turned by 30 degrees."""
    out = direction(latitude, longitude)
    aside = np.cross(out, [0.3, 0.5, 0.81])
    aside /= np.linalg.norm(aside)
    tilt = np.radians(tilt_deg)
    z = -out * np.cos(tilt) + np.cross(out, aside) * np.sin(tilt)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([aside, np.cross(z, aside), z], axis=1)
    pose[:3, 3] = out * (MOON_RADIUS_M + altitude_m)
    return pose


def points_seen(pose: Array, rays: Array) -> Array:
    """(H, W, 3) in the camera's frame: where its rays meet the Moon."""
    R, t = pose[:3, :3], pose[:3, 3]
    along = rays @ R.T
    length = np.full(rays.shape[:2], np.linalg.norm(t) - MOON_RADIUS_M - 1000)
    for _ in range(60):
        place = t + length[..., None] * along
        radius = np.linalg.norm(place, axis=-1)
        above = radius - MOON_RADIUS_M - relief(place / radius[..., None])
        falling = -np.einsum("...i,...i", along, place) / radius
        length = length + above / falling
    assert np.abs(above).max() < 1e-3
    return np.asarray(rays * length[..., None])


def result_at(pose: Array, *, told: bool = True, **changes: Any) -> StereoResult:
    """What a camera there sees, without errors; the slope's map holds the pixels' columns."""
    base = refined_result()
    rows, columns = base.depth.shape
    rays = pixel_rays(base.camera_left.intrinsics, rows, columns).astype(np.float64)
    points = points_seen(pose, rays).astype(np.float32)
    columns_of = np.broadcast_to(np.arange(columns, dtype=np.float32) + 0.5, (rows, columns))
    depth = points[..., 2]
    view = replace(
        base.views["left"],
        depth=depth,
        slope=columns_of.copy(),
        depth_sigma=depth * np.float32(0.001),
        draws=None,
    )
    middle = pose[:3, 3] / np.linalg.norm(pose[:3, 3])
    return replace(
        base,
        pointmap_left=points,
        pointmap_right=None,
        views={"left": view},
        options=replace(base.options, view="left"),
        up=base.up._replace(vector=pose[:3, :3].T @ middle),
        body_from_left=pose if told else None,
        **changes,
    )


def write(result: StereoResult, folder: Path) -> Path:
    write_result(result, folder)
    return folder
