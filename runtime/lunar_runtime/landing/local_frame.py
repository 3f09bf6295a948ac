"""A frame on the ground: x and y level, heights above the Moon's mean curvature.

Convention:
    Right-handed, metres. z is up, against gravity at the origin. x is the level part of the left
    camera's x axis, so that a map looks like the image. The origin lies vertically below (or above)
    the left camera, at the median height of the ground that the camera sees.
    Heights are above the sphere of the Moon's mean radius through the origin: over 10 km the level
    falls by 29 m, and gravity turns by a third of a degree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError

#: Mean radius of the Moon, metres (IAU 2015).
MOON_RADIUS_M = 1_737_400.0


class LocalFrame(NamedTuple):
    """Where the frame lies in the left camera's.

    Attributes:
        origin: (3,) float64 metres, left camera's frame.
        axes: (3, 3) float64; its rows are x, y and up in the left camera's frame.
    """

    origin: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def camera_height_m(self) -> float:
        """Of the left camera above the origin, metres."""
        return float(-self.axes[2] @ self.origin)

    def from_camera(self, points: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """x, y and height of points in the left camera's frame.

        Args:
            points: (..., 3) metres.

        Returns:
            Three (...) float32.
        """
        x, y, z = (
            np.asarray(points @ axis.astype(np.float32) - np.float32(axis @ self.origin))
            for axis in self.axes
        )
        return x, y, np.asarray(z + fall(x, y), np.float32)

    def to_camera(
        self, x: NDArray[Any], y: NDArray[Any], height: NDArray[Any]
    ) -> tuple[NDArray[np.float32], ...]:
        """The inverse of `from_camera`: the three coordinates in the left camera's frame."""
        z = height - fall(x, y)
        return tuple(
            np.asarray(
                np.float32(self.axes[0, i]) * x
                + np.float32(self.axes[1, i]) * y
                + np.float32(self.axes[2, i]) * z
                + np.float32(self.origin[i]),
                np.float32,
            )
            for i in range(3)
        )


def fall(x: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """How far the sphere lies below the level plane through the origin, metres."""
    return np.asarray((x * x + y * y) * np.float32(0.5 / MOON_RADIUS_M))


def level_frame(points: NDArray[Any], up: ArrayLike) -> LocalFrame:
    """The frame of a view.

    Args:
        points: (..., 3) metres, left camera's frame; NaN = none.
        up: (3,) unit vector against gravity, same frame.

    Raises:
        InputError: No point is finite.
    """
    upward = np.asarray(up, np.float64)
    heights = np.asarray(points, np.float64) @ upward
    if not np.isfinite(heights).any():
        raise InputError("there is no ground to map; check the pair")
    along = np.array([1.0, 0, 0]) - upward[0] * upward
    if np.linalg.norm(along) < 0.1:  # a camera whose x axis is vertical
        along = np.array([0, 1.0, 0]) - upward[1] * upward
    x = along / np.linalg.norm(along)
    axes = np.stack([x, np.cross(upward, x), upward])
    return LocalFrame(upward * float(np.nanmedian(heights)), axes)
