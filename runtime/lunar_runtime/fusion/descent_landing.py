"""A vehicle that comes down on poses of its own navigation, which drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.fusion.fused_landing import FusedLanding
from lunar_runtime.fusion.posed_view import PoseSigma
from lunar_runtime.geometry.rig import rigid_transform
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.landing.lander import Lander
from lunar_runtime.landing.landing import Landing, find_landing


class DescentLanding:
    """Fuses what can be fused; what cannot is tried alone."""

    def __init__(self, lander: Lander, errors: PoseErrors, up: ArrayLike) -> None:
        """Start without any ground.

        Args:
            lander: The vehicle.
            errors: How wrong two poses are to each other.
            up: (3,) against gravity at the site, in the world of the poses, any length.
        """
        self.fused = FusedLanding(lander)
        self._errors = errors
        self._level = _levelling(np.asarray(up, np.float64))
        self._before: NDArray[np.float64] | None = None

    def see(self, result: StereoResult, world_from_left: ArrayLike | None) -> Landing:
        """Where the vehicle may stand, by all pairs so far.

        Args:
            result: The newest. One that is no map's, as a guess, is tried alone.
            world_from_left: (4, 4) metres, of its left camera; None = not known.

        Raises:
            UsageError: As `find_landing`.
            InputError: The pose is none.
        """
        lander = self.fused.lander
        view = result.views.get("left")
        fit = result.verdict == "measured" and result.unit == "m"
        if world_from_left is None or not fit or view is None or view.draws is None:
            return find_landing(result, lander)
        pose = self._level @ rigid_transform("world_from_left", world_from_left)
        before = pose if self._before is None else self._before
        way = float(np.linalg.norm(pose[:3, 3] - before[:3, 3]))
        try:
            landing = self.fused.see(result, pose, PoseSigma.on_the_way(self._errors, way))
        except InputError:  # nothing that its images decided: no part of a map
            return find_landing(result, lander)
        self._before = pose
        return landing


def _levelling(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4) rotation that turns a direction to z, by the shortest way."""
    upward = up / np.linalg.norm(up)
    turned = np.eye(4)
    if upward[2] < -1 + 1e-9:
        turned[1, 1] = turned[2, 2] = -1
        return turned
    axis = np.cross(upward, [0.0, 0.0, 1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turned[:3, :3] = np.eye(3) + cross + cross @ cross / (1 + upward[2])
    return turned
