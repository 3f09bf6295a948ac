"""Random pairs of cameras: StereoLunar's nadir, oblique and dynamic families, a lander's two."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.choices import GeometryKind
from lunar_calib.specs import pinhole
from lunar_calib.specs.pair_spec import FOV_DEG, CameraSpec

ALTITUDE_RANGE_M = (3_500.0, 40_000.0)
LANDING_RANGE_M = (40.0, 650.0)
APPROACH_RANGE_M = (650.0, 3_000.0)

# Of an approach, straight down: what a camera that is to see boulders from there has. 512 of them
# are 5 to 43 degrees wide.
_APPROACH_PIXEL_M = (0.5, 1.0)
_APPROACH_PX = 512

_MAX_TRIES = 200


@dataclass(frozen=True)
class CameraPair:
    """Two cameras and the family they were drawn from."""

    kind: GeometryKind
    left: CameraSpec
    right: CameraSpec
    fov_deg: float = FOV_DEG


def overlap(
    left: CameraSpec, right: CameraSpec, samples: int = 12, fov_deg: float = FOV_DEG
) -> tuple[float, float]:
    """Fraction of each image's ground that the other sees, on the smooth sphere.

    Returns:
        (left's ground seen by right, right's ground seen by left), each in [0, 1].
    """
    poses = pinhole.cam2world(left), pinhole.cam2world(right)
    grounds = [ground_points(pose, samples, fov_deg) for pose in poses]
    k = pinhole.intrinsics(2, fov_deg)
    fractions = []
    for i in (0, 1):
        points = pinhole.transform(pinhole.invert(poses[1 - i]), grounds[i])
        uv = pinhole.project(points, k)
        inside = np.all((uv >= 0) & (uv < 2), axis=-1)
        fractions.append(float(inside.mean()))
    return fractions[0], fractions[1]


def ground_points(
    pose: NDArray[np.float64], samples: int, fov_deg: float = FOV_DEG
) -> NDArray[np.float64]:
    """(samples², 3) world points where an image's rays meet the smooth sphere."""
    d = np.stack(pinhole.world_rays(samples, pose, fov_deg=fov_deg), axis=-1).reshape(-1, 3)
    o = pose[:3, 3]
    t = -o[2] / np.minimum(d[:, 2], -1e-3)
    # One correction for curvature is enough for an overlap estimate.
    p = o + t[:, None] * d
    drop = (p[:, 0] ** 2 + p[:, 1] ** 2) / (2 * MOON_RADIUS_M)
    t = -(o[2] + drop) / np.minimum(d[:, 2], -1e-3)
    return np.asarray(o + t[:, None] * d)


def sample_cameras(
    rng: np.random.Generator, kind: GeometryKind, altitude_range: tuple[float, float]
) -> CameraPair:
    """Draw two cameras until they share enough ground.

    Args:
        rng: Source of everything.
        kind: Family.
        altitude_range: Lowest and highest camera above the target, metres; families narrow it.
    """
    least = 0.5 if rng.uniform() < 0.8 else 0.3
    draw = {
        GeometryKind.NADIR: _nadir,
        GeometryKind.OBLIQUE: _oblique,
        GeometryKind.DYNAMIC: _dynamic,
        GeometryKind.LANDING: _landing,
        GeometryKind.APPROACH: _landing,
    }[kind]
    fov = FOV_DEG
    if kind is GeometryKind.APPROACH:
        altitude = log_uniform(rng, *altitude_range)
        altitude_range = (altitude, altitude)
        half = log_uniform(rng, *_APPROACH_PIXEL_M) * _APPROACH_PX / 2
        fov = 2 * math.degrees(math.atan(half / altitude))
    best, best_overlap = None, -1.0
    for _ in range(_MAX_TRIES):
        left, right = draw(rng, altitude_range)
        shared = min(overlap(left, right, fov_deg=fov))
        if shared > best_overlap:
            best, best_overlap = CameraPair(kind, left, right, fov), shared
        if shared >= least:
            break
    if best is None:  # pragma: no cover - _MAX_TRIES is positive
        raise RuntimeError("no camera pair was drawn")
    return best


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between two."""
    return float(np.exp(rng.uniform(math.log(low), math.log(high))))


def _heading(rng: np.random.Generator) -> tuple[float, float, float]:
    angle = rng.uniform(0, 2 * math.pi)
    return (math.cos(angle), math.sin(angle), 0.0)


def _at(altitude: float, offsets: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Position from an altitude and (azimuth, distance) offsets."""
    east = sum(d * math.sin(az) for az, d in offsets)
    north = sum(d * math.cos(az) for az, d in offsets)
    return (float(east), float(north), float(altitude))


def _nadir(
    rng: np.random.Generator, altitude_range: tuple[float, float]
) -> tuple[CameraSpec, CameraSpec]:
    altitude = log_uniform(rng, altitude_range[0], min(altitude_range[1], 32_000.0))
    base = altitude * rng.uniform(0.02, 0.10)
    azimuth, up = rng.uniform(0, 2 * math.pi), _heading(rng)
    roll = float(rng.uniform(-180, 180)) if rng.uniform() < 0.3 else 0.0
    return (
        CameraSpec(_at(altitude, [(azimuth, -base / 2)]), up_hint=up),
        CameraSpec(_at(altitude, [(azimuth, base / 2)]), up_hint=up, roll_deg=roll),
    )


def _oblique(
    rng: np.random.Generator, altitude_range: tuple[float, float]
) -> tuple[CameraSpec, CameraSpec]:
    # Off-nadir views are slant: closer than the altitude that suits the grid.
    low, high = altitude_range
    altitude = log_uniform(rng, max(low * 0.8, 3_500.0), high * 0.85)
    scheme = int(rng.integers(4))
    if scheme == 0:
        other = altitude
    elif scheme == 1:
        other = altitude + rng.choice([-1, 1]) * rng.uniform(500, 1000)
    elif scheme == 2:
        other = altitude + rng.uniform(-1000, 1000)
    else:
        other = altitude + rng.choice([-1, 1]) * rng.uniform(0, 1000)
    other = max(other, 3_000.0)
    common = rng.uniform(0, 2 * math.pi)
    views = []
    for h in (altitude, other):
        azimuth = common + math.radians(rng.uniform(-10, 10))
        east, north = rng.uniform(-12.5, 12.5, 2)
        views.append(
            CameraSpec(
                _at(h, [(azimuth, h * rng.uniform(0.5, 1.1))]),
                aim_m=(float(east), float(north), 0.0),
            )
        )
    return views[0], views[1]


def _dynamic(
    rng: np.random.Generator, altitude_range: tuple[float, float]
) -> tuple[CameraSpec, CameraSpec]:
    low, high = altitude_range
    middle = log_uniform(rng, low, high)
    cone = math.radians(rng.uniform(0, rng.choice([10, 20, 30], p=[0.3, 0.5, 0.2])))
    cone_azimuth, up = rng.uniform(0, 2 * math.pi), _heading(rng)
    pitch_limit = rng.choice([5, 10, 15], p=[0.3, 0.4, 0.3])
    turn = float(rng.uniform(-180, 180)) if rng.uniform() < 0.7 else 0.0
    views = []
    for i in range(2):
        altitude = float(np.clip(middle * rng.uniform(0.7, 1.3), *ALTITUDE_RANGE_M))
        base = middle * rng.uniform(0.02, 0.22)
        azimuth = rng.uniform(0, 2 * math.pi)
        east, north = rng.uniform(-500, 500, 2)
        views.append(
            CameraSpec(
                _at(altitude, [(cone_azimuth, altitude * math.tan(cone)), (azimuth, base / 2)]),
                aim_m=(float(east), float(north), 0.0),
                up_hint=up,
                roll_deg=float(rng.uniform(-10, 10)) + (turn if i else 0.0),
                pitch_deg=float(rng.uniform(-pitch_limit, pitch_limit)),
            )
        )
    return views[0], views[1]


def _landing(
    rng: np.random.Generator, altitude_range: tuple[float, float]
) -> tuple[CameraSpec, CameraSpec]:
    """Two frames of a descent: the second is further along the track, lower, a little turned."""
    altitude = log_uniform(rng, *altitude_range)
    tilt = math.radians(rng.choice([0.0, rng.uniform(0, 45)], p=[0.3, 0.7]))
    track = rng.uniform(0, 2 * math.pi)
    ahead, up = altitude * math.tan(tilt), (math.sin(track), math.cos(track), 0.0)
    step, fall = altitude * rng.uniform(0.05, 0.2), rng.uniform(0.0, 0.06)
    views = []
    for along, height in ((0.0, altitude), (step, altitude * (1 - fall))):
        east, north = rng.uniform(-0.02, 0.02, 2) * altitude
        behind = along - ahead - step / 2
        views.append(
            CameraSpec(
                _at(height, [(track, behind)]),
                aim_m=(float(east), float(north), 0.0),
                up_hint=up,
                roll_deg=float(rng.uniform(-5, 5)),
            )
        )
    return views[0], views[1]
