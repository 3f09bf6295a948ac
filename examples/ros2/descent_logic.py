"""What a lander's node does, without ROS: frames of one camera in, messages out.

Which frames make a pair, what is dropped and how metres carry on is `StereoStream`'s; here messages
become its frames, and its updates messages.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
from lunar_ground.bags import messages as ros
from lunar_ground.bags.cameras import Camera, camera_of
from lunar_ground.bags.heights import Heights
from lunar_ground.bags.images import image_of
from lunar_ground.bags.messages import Fields, Stamp
from lunar_ground.bags.poses import Track, posed
from lunar_ground.bags.shown import CAMERA, messages_of, shown_result
from lunar_runtime import StereoRuntime, StereoStream
from lunar_runtime.errors import InputError, LunarError
from lunar_runtime.files.descent_file import PoseErrors
from lunar_runtime.stream.update import StreamUpdate
from numpy.typing import NDArray

#: The frame of the poses.
WORLD = "lunar_world"
_REMEMBERED_S = 5.0  # of poses and heights
_NUMBERED = 64  # frames whose stamps are kept for their updates

#: Topic, type and fields.
Said = tuple[str, str, Fields]


class _Held(NamedTuple):
    values: NDArray[Any]
    time_ns: int


class DescentLogic:
    """A camera's messages to a stream, and the stream's updates to messages.

    A frame waits until a pose at its time or later has come, if poses are used, and a height, if
    there are any; but not longer than until the next frame.

    Args:
        runtime: What infers.
        rectified: Whether the images are.
        pose_errors: Of the poses; without them poses are not used.
        up: (3,) against gravity in the world of the poses; None = not known.
        altitude_sigma: Relative standard deviation of the heights.
        background: As for `StereoStream`.
    """

    def __init__(
        self,
        runtime: StereoRuntime,
        *,
        rectified: bool = False,
        pose_errors: PoseErrors | None = None,
        up: NDArray[np.float64] | None = None,
        altitude_sigma: float = 0.0,
        background: bool = True,
    ) -> None:
        self._runtime, self._rectified = runtime, rectified
        self._pose_errors, self._up = pose_errors, up
        self._altitude_sigma, self._background = altitude_sigma, background
        self._camera: Camera | None = None
        self._stream: StereoStream | None = None
        self._track, self._heights = Track(), Heights()
        self._held: _Held | None = None
        self._stamps: dict[int, int] = {}
        self._pushed = 0

    def info(self, message: Any) -> None:
        """The camera's `CameraInfo`; the first one counts.

        Raises:
            InputError: It is not calibrated, or of a lens that is not known.
        """
        if self._camera is None:
            self._camera = camera_of(message, rectified=self._rectified)

    def pose(self, message: Any, kind: str = ros.POSE) -> list[Said]:
        """A pose of the camera in the world; what a frame that waited for it brings.

        Raises:
            InputError: It is no rotation.
        """
        pose, _ = posed(message, kind)
        time_s = _time_ns(message) * 1e-9
        self._track.add(time_s, pose)
        self._track.forget(time_s - _REMEMBERED_S)
        return self._told()

    def altitude(self, message: Any) -> list[Said]:
        """A `Range` to the ground below; what a frame that waited for it brings."""
        time_s = _time_ns(message) * 1e-9
        self._heights.add(time_s, float(message.range))
        self._heights.forget(time_s - _REMEMBERED_S)
        return self._told()

    def image(self, message: Any, kind: str = ros.IMAGE) -> list[Said]:
        """A frame; what the one before it brings, if that still waited, or this one.

        Raises:
            InputError: It cannot be read, or nothing is known of the camera yet.
        """
        if self._camera is None:
            raise InputError("no camera_info has come yet; the frame is left out")
        said = self._push()
        self._held = _Held(image_of(message, kind), _time_ns(message))
        return said + self._told()

    def finish(self) -> list[Said]:
        """What is left to say once no more frames come."""
        said = self._push()
        if self._stream is not None:
            for update in self._stream.finish():
                said += self._answer(update)
            self._stream.close()
            self._stream = None
        return said

    def _told(self) -> list[Said]:
        """Push the frame that waits, if all is known of it that will be."""
        if self._held is None:
            return []
        time_s = self._held.time_ns * 1e-9
        if self._heights.told and self._heights.told[-1][0] < time_s:
            return []
        if self._pose_errors is not None and (self._track.times or [-math.inf])[-1] < time_s:
            return []
        return self._push()

    def _push(self) -> list[Said]:
        held, self._held = self._held, None
        if held is None:
            return []
        time_s = held.time_ns * 1e-9
        known = self._pose_errors is not None
        pose = self._track.at(time_s) if known else None
        self._stamps[self._pushed] = held.time_ns
        self._stamps.pop(self._pushed - _NUMBERED, None)
        self._pushed += 1
        update = self._opened().push(held.values, time_s, pose, self._heights.at(time_s))
        return [] if update is None else list(self._answer(update))

    def _opened(self) -> StereoStream:
        if self._stream is None:
            assert self._camera is not None
            self._stream = StereoStream(
                self._runtime,
                self._camera.intrinsics,
                distortion=self._camera.distortion,
                up=self._up,
                pose_errors=self._pose_errors,
                altitude_sigma=self._altitude_sigma,
                background=self._background,
            )
        return self._stream

    def _answer(self, update: StreamUpdate) -> Iterator[Said]:
        """What a pair gives; of one that is refused, or relative, diagnostics alone."""
        time_ns = self._stamps.get(update.number, round(update.time_s * 1e9))
        facts = {
            "frame": update.number,
            "with frame": update.partner,
            "parallax (deg)": f"{update.parallax_deg:.1f}",
            "latency (ms)": f"{update.latency_ms.get('total', 0.0):.0f}",
            "scale age (s)": "" if update.scale_age_s is None else f"{update.scale_age_s:.1f}",
            **{f"frames {name}": count for name, count in asdict(update.counts).items()},
        }
        try:
            if update.result is None:
                raise InputError(str(update.refused))
            yield from messages_of(shown_result(update.result, facts), time_ns)
        except LunarError as error:
            stamp = Stamp(time_ns, CAMERA)
            told = ros.diagnostics_fields(ros.ERROR, f"refused: {error}", facts, stamp)
            yield "/diagnostics", ros.DIAGNOSTICS, told
            return
        if update.world_from_left is not None:
            posed_at = ros.pose_fields(update.world_from_left, Stamp(time_ns, WORLD))
            yield "/lunar/pose", ros.POSE, posed_at


def _time_ns(message: Any) -> int:
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)
