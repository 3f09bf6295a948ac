"""What all cells of a view err by together: thirteen numbers, and what each does to the heights.

Seven are the camera's: place in metres, rotation in radians, relative scale. Six are the low-order
shape of the view's ground, metres of height: level, two tilts, three bends, which a slightly wrong
relative pose of the pair's two images gives.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.landing.local_frame import fall

#: How many of the numbers are the camera's: they come first.
POSE = 7
#: The pose's last number: what a relative error of the distances does.
SCALE = 6
ALL = 13
#: How many are the shape's: level, two tilts, three bends.
SHAPES = ALL - POSE

Floats = NDArray[np.float64]
_Numbers = NDArray[np.floating]


class Common(NamedTuple):
    """Where a view's common errors turn.

    Attributes:
        camera: (3,) its place in the map, metres.
        middle: x and y of the middle of its ground, metres.
        reach: Half of its ground's width, metres.
    """

    camera: Floats
    middle: tuple[float, float]
    reach: float

    @staticmethod
    def of(camera: Floats, points: Floats) -> Common:
        """For a view of (n, 3) points on the ground."""
        if not len(points):
            return Common(camera, (0.0, 0.0), 1.0)
        low, high = np.quantile(points[:, :2], [0.02, 0.98], axis=0)
        x, y = ((low + high) / 2).tolist()
        return Common(camera, (x, y), max(float((high - low).max()) / 2, 1e-6))

    def shapes(self, x: _Numbers, y: _Numbers) -> Floats:
        """(…, 6) metres of height for each of the last six numbers, at x and y."""
        u, v = (x - self.middle[0]) / self.reach, (y - self.middle[1]) / self.reach
        return np.stack([np.ones_like(u), u, v, u * u - 1 / 3, u * v, v * v - 1 / 3], axis=-1)

    def arms(self, points: Floats) -> Floats:
        """(n, 3) from the camera to (n, 3) points, whose heights are above the sphere."""
        arm = points - self.camera
        arm[:, 2] -= fall(points[:, 0], points[:, 1])
        return arm

    def levers(self, points: Floats, right: _Numbers, up: _Numbers) -> Floats:
        """(n, 13) by how much the height over a fixed place grows with each number.

        Args:
            points: (n, 3) of the ground.
            right: (n,) slope of the ground along x.
            up: (n,) along y.
        """
        a, b, c = self.arms(points).T
        turns = (b + up * c, -a - right * c, right * b - up * a)
        pose = np.stack([-right, -up, np.ones_like(a), *turns, c - right * a - up * b], axis=-1)
        return np.concatenate([pose, self.shapes(points[:, 0], points[:, 1])], axis=-1)

    def moved(self, points: Floats, numbers: Floats) -> Floats:
        """(n, 3) points after a correction of (13,)."""
        arm = self.arms(points)
        shift = numbers[:3] + np.cross(numbers[3:6], arm) + numbers[SCALE] * arm
        moved = points + shift
        moved[:, 2] += self.shapes(moved[:, 0], moved[:, 1]) @ numbers[POSE:]
        return np.asarray(moved)
