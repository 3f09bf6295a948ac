"""A pair's left view, with the place and the attitude of its camera.

Convention: the world is level, right-handed and in metres. z is up, against gravity at its origin.
Heights are above the Moon's mean sphere through the origin, as in `landing.local_frame`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.rig import rigid_transform
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.ground_grid import GridSource
from lunar_runtime.landing.landing import lit, require_metres
from lunar_runtime.landing.local_frame import LocalFrame


class PoseSigma(NamedTuple):
    """Standard deviations of a camera's pose in the world, of each axis.

    Attributes:
        position_m: Of its place.
        attitude_deg: Of its attitude.
        scale: Relative, of the baseline or the altitude that made the depth metric.
    """

    position_m: float
    attitude_deg: float
    scale: float = 0.0

    def steps(self) -> NDArray[np.float64]:
        """(7,) of place, rotation in radians, and scale."""
        turn = math.radians(self.attitude_deg)
        return np.array([self.position_m] * 3 + [turn] * 3 + [self.scale])


@dataclass(frozen=True)
class PosedView:
    """What a map takes from a pair.

    Attributes:
        source: Points, camera and draws of the left view; its `up` is the world's.
        lit: (H, W) bool, where the ground is not in shadow.
        frame: The world, as the left camera's pose places it.
        sigma: Of that pose.
    """

    source: GridSource
    lit: NDArray[np.bool_]
    frame: LocalFrame
    sigma: PoseSigma


def posed_view(result: StereoResult, world_from_left: ArrayLike, sigma: PoseSigma) -> PosedView:
    """Take a result with its camera's pose.

    Args:
        result: Of a pair, refined, measured and in metres, with the left view.
        world_from_left: (4, 4) metres: maps points of the left camera into the world.
        sigma: Of the pose.

    Raises:
        UsageError: The result is relative, guessed, was not refined, or has no left view.
        InputError: `world_from_left` is no rigid transform, or `sigma` holds no lengths.
    """
    require_metres(result)
    view = result.views["left"]
    if result.verdict == "guessed":
        raise UsageError("a map takes no guess: " + "; ".join(result.verdict_reasons))
    if view.draws is None or view.refined is None:
        raise UsageError("a map takes refined pairs only; leave out `refine` off")
    pose = rigid_transform("world_from_left", world_from_left)
    if not all(math.isfinite(value) and value >= 0 for value in sigma):
        raise InputError(f"`sigma` {tuple(sigma)}: give standard deviations, zero or larger")
    frame = pose_frame(pose)
    source = GridSource(
        points=result.pointmap_left,
        intrinsics=result.camera_left.intrinsics,
        up=frame.axes[2],
        draws=view.draws,
        refined=view.refined,
    )
    return PosedView(source, lit(result) > 0, frame, sigma)


def pose_frame(world_from_left: NDArray[np.float64]) -> LocalFrame:
    """The world as a frame in the left camera's."""
    rotation, place = world_from_left[:3, :3], world_from_left[:3, 3]
    return LocalFrame(-rotation.T @ place, rotation.copy())


def frame_pose(frame: LocalFrame) -> NDArray[np.float64]:
    """The inverse of `pose_frame`: (4, 4)."""
    pose = np.eye(4)
    pose[:3, :3] = frame.axes
    pose[:3, 3] = -frame.axes @ frame.origin
    return pose
