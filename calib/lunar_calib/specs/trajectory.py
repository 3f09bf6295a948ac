"""Where the camera of a descent is in every frame, and what the vehicle makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from lunar_runtime.landing.local_frame import MOON_RADIUS_M
from numpy.typing import NDArray

from lunar_calib.specs import pinhole
from lunar_calib.specs.descent_spec import DescentSpec, NavigationSpec, PathSpec
from lunar_calib.specs.pair_spec import CameraSpec

Poses = NDArray[np.float64]

_SWAYS_S = (17.0, 23.0, 41.0)  # periods of the turns about x, y and the optical axis
_ROLL_SWAY = 5.0  # the last of them is so much larger


@dataclass(frozen=True)
class Flight:
    """A descent's frames.

    Attributes:
        time_s: (N,) seconds from the first.
        poses: (N, 4, 4) cam2world, metres; heights are over the site's ground.
    """

    time_s: NDArray[np.float64]
    poses: Poses


def fly(spec: DescentSpec) -> Flight:
    """The true way down, at equal times."""
    path = spec.path
    time_s = np.linspace(0.0, path.duration_s, spec.frames)
    rng = np.random.default_rng([spec.seed, 17])
    phases = rng.uniform(0, 2 * math.pi, 3)
    poses = np.stack([_pose(path, float(t), phases) for t in time_s])
    return Flight(time_s, poses)


def _pose(path: PathSpec, time_s: float, phases: NDArray[np.float64]) -> Poses:
    left_s = path.duration_s - time_s
    climbed = path.last_ms * left_s + path.slowing_ms2 * left_s**2 / 2
    height, track = path.to_m + climbed, math.radians(path.track_deg)
    ahead = np.array([math.sin(track), math.cos(track), 0.0])
    position = -ahead * path.along * climbed
    position[2] = height + float(position[:2] @ position[:2]) / (2 * MOON_RADIUS_M)
    tilt = math.radians(path.tilt_deg) * (height / path.from_m) ** path.tilt_power
    aim = position + ahead * math.sin(tilt) - np.array([0.0, 0.0, math.cos(tilt)])
    sways = [
        path.sway_deg * math.sin(2 * math.pi * time_s / period + phase)
        for period, phase in zip(_SWAYS_S, phases, strict=True)
    ]
    camera = CameraSpec(
        position_m=(float(position[0]), float(position[1]), float(position[2])),
        aim_m=(float(aim[0]), float(aim[1]), float(aim[2])),
        up_hint=(float(ahead[0]), float(ahead[1]), 0.0),
        roll_deg=_ROLL_SWAY * sways[2],
        pitch_deg=sways[0],
    )
    pose = pinhole.cam2world(camera)
    pose[:3, :3] = pose[:3, :3] @ _turn(np.array([0.0, math.radians(sways[1]), 0.0]))
    return pose


def navigate(flight: Flight, navigation: NavigationSpec, seed: int) -> Poses:
    """(N, 4, 4) poses as the vehicle's navigation has them.

    Velocity and attitude have errors that wander (Gauss-Markov); positions are what the velocities
    add up to, so that their error grows without end, as an inertial unit's does.
    """
    rng = np.random.default_rng([seed, 19])
    count = len(flight.time_s)
    steps = np.diff(flight.time_s, prepend=flight.time_s[0])
    keep = np.exp(-steps / navigation.wander_s)
    errors = rng.standard_normal((count, 6))
    for i in range(1, count):
        errors[i] = keep[i] * errors[i - 1] + math.sqrt(1 - keep[i] ** 2) * errors[i]
    moved = np.diff(flight.poses[:, :3, 3], axis=0, prepend=flight.poses[:1, :3, 3])
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    drift = np.cumsum(navigation.velocity * lengths * errors[:, :3], axis=0)
    turns = np.radians(
        navigation.attitude_deg * errors[:, 3:]
        + navigation.jitter_deg * rng.standard_normal((count, 3))
    )
    told = flight.poses.copy()
    told[:, :3, 3] += drift
    for pose, turn in zip(told, turns, strict=True):
        pose[:3, :3] = pose[:3, :3] @ _turn(turn)
    return np.asarray(told)


def relative_errors(navigation: NavigationSpec) -> tuple[float, float]:
    """Standard deviations between two frames, far apart in time.

    Returns:
        Of the rotation about each axis, degrees; of the way along each axis, a share of its length.
    """
    attitude = math.hypot(navigation.attitude_deg, navigation.jitter_deg)
    return math.sqrt(2) * attitude, navigation.velocity


def _turn(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation by a vector, radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle == 0:
        return np.eye(3)
    x, y, z = vector / angle
    K = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.asarray(np.eye(3) + math.sin(angle) * K + (1 - math.cos(angle)) * (K @ K))
