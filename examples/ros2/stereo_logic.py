"""What a stereo node does, without ROS: images in, messages out.

Messages come as any objects with ROS' fields as attributes, and leave as plain mappings of fields.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from lunar_ground.bags import messages as ros
from lunar_ground.bags.cameras import Camera, camera_of
from lunar_ground.bags.images import image_of
from lunar_ground.bags.messages import Fields, Stamp
from lunar_ground.bags.shown import CAMERA, messages_of, shown_result
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import LunarError
from lunar_runtime.geometry.rig import Rig
from numpy.typing import NDArray

SIDES = ("left", "right")


@dataclass(frozen=True)
class Taken:
    """Two images that were taken together."""

    images: tuple[NDArray[Any], NDArray[Any]]
    time_ns: int


class StereoLogic:
    """The newest pair to a result; what comes while it computes is passed over, and counted.

    Args:
        runtime: What infers.
        rectified: Whether the images are; the baseline then comes with the right camera.
        baseline_m: True distance of the cameras; None = the right camera's, if rectified.
        altitude_m: True height above the ground; None = not known.
        within_ms: Images of a pair are at most so far apart.
    """

    def __init__(
        self,
        runtime: StereoRuntime,
        *,
        rectified: bool = False,
        baseline_m: float | None = None,
        altitude_m: float | None = None,
        within_ms: float = 1.0,
    ) -> None:
        self._runtime, self._rectified = runtime, rectified
        self._baseline_m, self._altitude_m = baseline_m, altitude_m
        self._within_ns = int(within_ms * 1e6)
        self._cameras: dict[str, Camera] = {}
        self._waiting: dict[str, tuple[Any, str, int]] = {}
        self._lock = threading.Lock()
        self.passed_over = 0

    def info(self, side: str, message: Any) -> None:
        """A camera's `CameraInfo`.

        Raises:
            InputError: It is not calibrated, or of a lens that is not known.
        """
        self._cameras[side] = camera_of(message, rectified=self._rectified)

    def image(self, side: str, message: Any, kind: str = ros.IMAGE) -> None:
        """A camera's image; an earlier one that nobody took is passed over."""
        time_ns = message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec
        with self._lock:
            self.passed_over += side in self._waiting
            self._waiting[side] = message, kind, time_ns

    def newest(self) -> Taken | None:
        """The newest two images, if they were taken together; they are then gone.

        Raises:
            InputError: One cannot be read.
        """
        with self._lock:
            if set(self._waiting) != set(SIDES):
                return None
            times = [self._waiting[side][2] for side in SIDES]
            if abs(times[0] - times[1]) > self._within_ns:
                return None  # the other one is on its way
            (left, left_kind, time_ns), (right, right_kind, _) = (
                self._waiting.pop(side) for side in SIDES
            )
        return Taken((image_of(left, left_kind), image_of(right, right_kind)), time_ns)

    def answer(self, taken: Taken) -> Iterator[tuple[str, str, Fields]]:
        """Topic, type and fields of what a pair gives; of one that is refused, diagnostics alone.

        Lengths of ROS are metres: a result without a scale is refused too.
        """
        try:
            result = self._runtime.infer(
                *taken.images,
                self._rig(),
                baseline_m=self._baseline_m,
                altitude_m=self._altitude_m,
            )
            facts = {"images passed over": self.passed_over}
            yield from messages_of(shown_result(result, facts), taken.time_ns)
        except LunarError as error:
            stamp = Stamp(taken.time_ns, CAMERA)
            told = ros.diagnostics_fields(ros.ERROR, f"refused: {error}", {}, stamp)
            yield "/diagnostics", ros.DIAGNOSTICS, told

    def _rig(self) -> Rig | None:
        if not self._cameras:
            return None
        left, right = (self._cameras.get(side) for side in SIDES)
        pose = None
        if right is not None and right.baseline_m and self._altitude_m is None:
            pose = np.eye(4)
            pose[0, 3] = -right.baseline_m
        return Rig(
            left=None if left is None else left.intrinsics,
            right=None if right is None else right.intrinsics,
            right_from_left=pose,
            distortion_left=None if left is None else left.distortion,
            distortion_right=None if right is None else right.distortion,
        )
