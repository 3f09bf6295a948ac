"""Frames of a recorded camera: image, time, pose, altitude, camera; one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from lunar_runtime.errors import InputError, UsageError
from numpy.typing import NDArray

from lunar_ground.bags import cameras, images, poses
from lunar_ground.bags.bag import Bag
from lunar_ground.bags.cameras import Camera, camera_of
from lunar_ground.bags.heights import Heights
from lunar_ground.bags.layouts import decoded
from lunar_ground.bags.poses import Bolted, Track, posed, seconds
from lunar_ground.bags.records import Record

RANGE, FLOAT = "sensor_msgs/msg/Range", "std_msgs/msg/Float64"
_STATIC = "/tf_static"


class Frame(NamedTuple):
    """One image, and what is known of it.

    Attributes:
        image: (H, W) or (H, W, 3), blue first; uint8 or uint16.
        time_s: When it was taken.
        world_from_camera: (4, 4), metres, camera's axes x right, y down, z forward; None = the
            recording does not say.
        altitude_m: None = the recording does not say.
        camera: What took it; None = the recording does not say.
    """

    image: NDArray[Any]
    time_s: float
    world_from_camera: NDArray[np.float64] | None
    altitude_m: float | None
    camera: Camera | None


@dataclass(frozen=True)
class Named:
    """Topics of a recording.

    Attributes:
        image: Of the images.
        info: Of the camera; None = `camera_info` beside the images, where there is one.
        pose: Of poses; None = there are none.
        altitude: Of `Range` or `Float64`, metres; None = there are none.
        pose_of: The frame whose poses they are; None = as the messages say, else the camera's.
        rectified: Whether the images are.
        longest_gap_s: No pose or altitude is made up across a longer gap.
    """

    image: str
    info: str | None = None
    pose: str | None = None
    altitude: str | None = None
    pose_of: str | None = None
    rectified: bool = False
    longest_gap_s: float = 1.0


class Frames:
    """The frames of one camera of a recording.

    The recording is read twice: first what is small, to know a pose after every image too.

    Attributes:
        camera: What took them; None = the recording does not say.
        bolted: What is bolted together.
        without_stamp: Images whose header has no time: that of the recording was taken.

    Args:
        bag: The recording.
        named: Its topics.
        side: `left` or `right`, where errors name a pair's parameters (`left`, `left_info`); None =
            those of one camera (`image`, `info`).

    Raises:
        UsageError: There is no such topic, or it is of another type.
        InputError: The recording is damaged; or its poses are of another frame.
    """

    def __init__(self, bag: Bag, named: Named, *, side: str | None = None) -> None:
        self._bag, self._named = bag, named
        self._info_option = f"{side}_info" if side else "info"
        self._topics = {name: topic for name, (topic, _) in bag.topics().items()}
        self._check(named.image, side or "image", (images.IMAGE, images.COMPRESSED))
        self._info = named.info or self._info_beside(named.image)
        if named.info is not None:
            self._check(named.info, self._info_option, (cameras.KIND,))
        if named.pose is not None:
            self._check(named.pose, "pose", poses.KINDS)
        if named.altitude is not None:
            self._check(named.altitude, "altitude", (RANGE, FLOAT))
        self.camera: Camera | None = None
        self.bolted = Bolted()
        self.without_stamp = 0
        self._track = Track(named.longest_gap_s)
        self._heights = Heights(named.longest_gap_s)
        self._learn()
        self._frame_from_camera = self._mounting()

    def __iter__(self) -> Iterator[Frame]:
        self.without_stamp = 0
        for record in self._bag.records({self._named.image}):
            message = decoded(record)
            image = images.image_of(message, record.topic.kind)
            time_s = _time(message, record)
            self.without_stamp += not seconds(message.header.stamp) and record.time_ns != 0
            size = image.shape[1::-1]
            camera = self.camera
            if camera is not None and (camera.width, camera.height) != size:
                raise InputError(
                    f"{self._named.image}: an image of {size[0]} x {size[1]} px by a camera of "
                    f"{camera.width} x {camera.height}; name the right `{self._info_option}`"
                )
            pose = self._track.at(time_s)
            if pose is not None:
                pose = pose @ self._frame_from_camera
            yield Frame(image, time_s, pose, self._heights.at(time_s), camera)

    def _check(self, name: str, option: str, kinds: tuple[str, ...]) -> None:
        topic = self._topics.get(name)
        if topic is None:
            fitting = sorted(t.name for t in self._topics.values() if t.kind in kinds)
            there = f"there are {', '.join(fitting)}" if fitting else "there is none of its type"
            raise UsageError(f"`{option}` {name}: no such topic in {self._bag.path}; {there}")
        if topic.kind not in kinds:
            raise UsageError(f"`{option}` {name}: is of {topic.kind}, not of {' or '.join(kinds)}")

    def _info_beside(self, image: str) -> str | None:
        """As image_transport has it: beside the images, also beside their compressed ones.

        Of recordings of ROS 1, one name may have its first slash and the other may not.
        """
        parts = image.lstrip("/").split("/")
        slashes = ("/", "") if image.startswith("/") else ("", "/")
        for keep in range(len(parts) - 1, -1, -1):
            beside = "/".join([*parts[:keep], "camera_info"])
            for name in (slash + beside for slash in slashes):
                topic = self._topics.get(name)
                if topic is not None and topic.kind == cameras.KIND:
                    return name
        return None

    def _learn(self) -> None:
        named = self._named
        wanted = {_STATIC, self._info, named.pose, named.altitude} - {None}
        for record in self._bag.records({str(name) for name in wanted}):
            message, name = decoded(record), record.topic.name
            if name == _STATIC and record.topic.kind == poses.TREE:
                self.bolted.add(message)
            elif name == named.pose:
                pose, frame = posed(message, record.topic.kind)
                self._track.add(_time(message, record), pose)
                self._track.frame = self._track.frame or frame
            elif name == named.altitude:
                value = message.range if record.topic.kind == RANGE else message.data
                self._heights.add(_time(message, record), float(value))
            elif name == self._info:
                camera = camera_of(message, rectified=named.rectified)
                if self.camera is not None and camera != self.camera:
                    raise InputError(
                        f"{name}: the camera changes within the recording; cut it there"
                    )
                self.camera = camera

    def _mounting(self) -> NDArray[np.float64]:
        """From the camera to the frame whose poses are recorded."""
        of = self._named.pose_of or self._track.frame
        if not of or self.camera is None or not self._track.times:
            return np.eye(4)
        found = self.bolted.between(of, self.camera.frame)
        if found is None:
            raise InputError(
                f"{self._named.pose}: poses of {of!r}, the camera is {self.camera.frame!r}, and "
                f"{_STATIC} does not bolt them together; `pose_of` {self.camera.frame} says that "
                "they are the camera's"
            )
        return found


def _time(message: Any, record: Record) -> float:
    """When it was taken; when it was recorded where it does not say."""
    header = getattr(message, "header", None)
    stamp = 0.0 if header is None else seconds(header.stamp)
    return stamp or record.time_ns * 1e-9
