"""The frames that a stream keeps: a bounded number, spread over the time that still is in view."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError

#: What becomes of a frame that comes: it is taken, or why it is not.
Arrival = Literal["taken", "late", "duplicate", "frozen"]


@dataclass(frozen=True)
class Frame:
    """One frame as it was pushed.

    Attributes:
        number: Of those that were pushed, from 0.
        time_s: When it was taken.
        values: Decoded values, as `StereoRuntime.infer` takes them.
        arrived_s: When it was pushed, by `time.perf_counter`.
        world_from_camera: (4, 4) float64, metres; None = not known.
        altitude_m: Above the ground; None = not known.
        checksum: Of the values.
    """

    number: int
    time_s: float
    values: NDArray[Any]
    arrived_s: float
    world_from_camera: NDArray[np.float64] | None
    altitude_m: float | None
    checksum: int


class KeptFrames:
    """The newest frame and some before it.

    Frames must come in the order in which they were taken. Where there are too many, the one goes
    whose neighbours are nearest in time; so those that stay are spread over the whole time, and the
    owner takes away those that no longer see the ground of the newest. What the owner pins stays.

    Args:
        most: Frames to keep.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._frames: list[Frame] = []
        self._pinned: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def newest(self) -> Frame | None:
        """The last that was taken."""
        return self._frames[-1] if self._frames else None

    def before(self, frame: Frame) -> list[Frame]:
        """Those that were taken before a frame, the latest first."""
        return [each for each in reversed(self._frames) if each.time_s < frame.time_s]

    def arrive(self, frame: Frame) -> Arrival:
        """Take a frame, or say why not.

        `late`: an earlier one than the newest; `duplicate`: the newest again; `frozen`: a later
        time with the very pixels of the newest.
        """
        newest = self.newest
        if newest is not None:
            same = frame.checksum == newest.checksum
            if frame.time_s <= newest.time_s:
                return "duplicate" if same and frame.time_s == newest.time_s else "late"
            if same:
                return "frozen"
            if frame.values.shape[:2] != newest.values.shape[:2]:
                raise InputError(
                    f"frame {frame.number} is {_size(frame)} px, and those before are "
                    f"{_size(newest)}; a stream is of one camera"
                )
        self._frames.append(frame)
        if len(self._frames) > self._most:
            del self._frames[self._closest()]
        return "taken"

    def forget(self, frames: list[Frame]) -> None:
        """Take frames away."""
        gone = {frame.number for frame in frames}
        self._frames = [frame for frame in self._frames if frame.number not in gone]

    def pin(self, numbers: Collection[int]) -> None:
        """Say which frames must stay from now on, fewer than half of all."""
        self._pinned = frozenset(numbers)

    def _closest(self) -> int:
        """Of those between the oldest and the newest, the one whose neighbours are nearest."""
        times = [frame.time_s for frame in self._frames]
        free = [i for i in range(1, len(times) - 1) if self._frames[i].number not in self._pinned]
        return min(free, key=lambda i: times[i + 1] - times[i - 1])


def checked_time(time_s: float) -> float:
    """A time that can be ordered.

    Raises:
        InputError: It is not finite.
    """
    if not math.isfinite(time_s):
        raise InputError(f"`time_s` {time_s}: needs to be a finite number of seconds")
    return float(time_s)


def checked_pose(pose: NDArray[Any] | None) -> NDArray[np.float64] | None:
    """A pose that is a rigid transform.

    Raises:
        InputError: It is not.
    """
    if pose is None:
        return None
    matrix = np.asarray(pose, np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise InputError("`pose` must be a finite 4 × 4 matrix, world_from_camera, in metres")
    R = matrix[:3, :3]
    off = float(np.abs(R @ R.T - np.eye(3)).max())
    if off > _ROTATION_TOLERANCE or np.linalg.det(R) < 0 or (matrix[3] != (0, 0, 0, 1)).any():
        raise InputError(
            "`pose` must be a rigid transform, world_from_camera: a rotation (orthonormal to "
            f"{_ROTATION_TOLERANCE:g}), metres, and a last row of 0, 0, 0, 1"
        )
    return matrix


def checked_altitude(altitude_m: float | None) -> float | None:
    """A height above the ground.

    Raises:
        InputError: It is not positive.
    """
    if altitude_m is None:
        return None
    if not (math.isfinite(altitude_m) and altitude_m > 0):
        raise InputError(f"`altitude_m` {altitude_m}: needs to be a positive number of metres")
    return float(altitude_m)


def checksum_of(values: NDArray[Any]) -> int:
    """Of a frame's values."""
    return zlib.crc32(np.ascontiguousarray(values).data)


_ROTATION_TOLERANCE = 1e-4  # as of a rig's pose


def _size(frame: Frame) -> str:
    height, width = frame.values.shape[:2]
    return f"{width}x{height}"
