"""Poses in messages of ROS 2, and where a camera was between two of them.

`PoseStamped`, `PoseWithCovarianceStamped` and `Odometry` say where a frame is in the world; so do
`TransformStamped` and `TFMessage`, which also hold what is bolted together (`/tf_static`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from numpy.typing import NDArray

Transform = NDArray[np.float64]

ODOMETRY, TREE = "nav_msgs/msg/Odometry", "tf2_msgs/msg/TFMessage"
POSE = "geometry_msgs/msg/PoseStamped"
COVARIANCE = "geometry_msgs/msg/PoseWithCovarianceStamped"
STAMPED = "geometry_msgs/msg/TransformStamped"
KINDS = (POSE, COVARIANCE, ODOMETRY, STAMPED)


def seconds(stamp: Any) -> float:
    """Of a message's time."""
    return float(stamp.sec) + float(stamp.nanosec) * 1e-9


def rigid(position: Any, turn: Any) -> Transform:
    """(4, 4) transform of a position and a quaternion.

    Raises:
        InputError: The quaternion is no rotation.
    """
    q = np.array([turn.x, turn.y, turn.z, turn.w], np.float64)
    length = float(np.linalg.norm(q))
    if not 0.9 < length < 1.1:
        raise InputError(f"a pose's quaternion has the length {length:g}; it must be 1")
    transform = np.eye(4)
    transform[:3, :3] = rotation_of(q / length)
    transform[:3, 3] = position.x, position.y, position.z
    return transform


def rotation_of(q: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation of a unit quaternion x, y, z, w."""
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion_of(R: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit quaternion x, y, z, w of a (3, 3) rotation."""
    # The largest of the four is never near 0 (Shepperd).
    four = np.array([R[0, 0], R[1, 1], R[2, 2], np.trace(R)])
    i = int(np.argmax(four))
    q = np.empty(4)
    if i == 3:
        q[3] = 1 + four[3]
        q[:3] = R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]
    else:
        j, k = (i + 1) % 3, (i + 2) % 3
        q[i] = 1 + R[i, i] - R[j, j] - R[k, k]
        q[j], q[k] = R[j, i] + R[i, j], R[k, i] + R[i, k]
        q[3] = R[k, j] - R[j, k]
    return np.asarray(q / np.linalg.norm(q))


def posed(message: Any, kind: str) -> tuple[Transform, str]:
    """Where a frame is in the world, and the frame's name; empty where the message has none.

    Raises:
        InputError: The message is of another type.
    """
    if kind == POSE:
        return rigid(message.pose.position, message.pose.orientation), ""
    if kind == COVARIANCE:
        return rigid(message.pose.pose.position, message.pose.pose.orientation), ""
    if kind == ODOMETRY:
        inner = message.pose.pose
        return rigid(inner.position, inner.orientation), str(message.child_frame_id)
    if kind == STAMPED:
        inner = message.transform
        return rigid(inner.translation, inner.rotation), str(message.child_frame_id)
    raise InputError(f"{kind} is no pose; name a topic of one of {', '.join(KINDS)}")


@dataclass
class Track:
    """Poses over time.

    Attributes:
        times: Seconds, rising.
        poses: World from frame.
        frame: Whose poses they are; empty = not told.
        longest_s: No pose is made up across a longer gap.
    """

    longest_s: float = 1.0
    frame: str = ""
    times: list[float] = field(default_factory=list)
    poses: list[Transform] = field(default_factory=list)

    def add(self, time_s: float, pose: Transform) -> None:
        """Note a pose; they may come late."""
        at = bisect_left(self.times, time_s)
        if at < len(self.times) and self.times[at] == time_s:
            self.poses[at] = pose
            return
        self.times.insert(at, time_s)
        self.poses.insert(at, pose)

    def at(self, time_s: float) -> Transform | None:
        """The pose at a time, between its neighbours; None outside, or in a gap."""
        after = bisect_left(self.times, time_s)
        if after < len(self.times) and self.times[after] == time_s:
            return self.poses[after]
        if after in (0, len(self.times)):
            return None
        start, end = self.times[after - 1], self.times[after]
        if end - start > self.longest_s:
            return None
        return _between(self.poses[after - 1], self.poses[after], (time_s - start) / (end - start))

    def forget(self, before_s: float) -> None:
        """Let go of the poses before a time."""
        gone = bisect_left(self.times, before_s)
        del self.times[:gone], self.poses[:gone]


def _between(first: Transform, second: Transform, share: float) -> Transform:
    """Straight in place, evenly in turn."""
    a, b = quaternion_of(first[:3, :3]), quaternion_of(second[:3, :3])
    b = -b if a @ b < 0 else b
    angle = float(np.arccos(np.clip(a @ b, -1.0, 1.0)))
    if angle > 1e-8:
        q = (np.sin((1 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    else:
        q = (1 - share) * a + share * b
    pose = np.eye(4)
    pose[:3, :3] = rotation_of(q / np.linalg.norm(q))
    pose[:3, 3] = (1 - share) * first[:3, 3] + share * second[:3, 3]
    return pose


class Bolted:
    """What is bolted together: frames with constant transforms between them."""

    def __init__(self) -> None:
        self._next: dict[str, dict[str, Transform]] = {}

    def add(self, message: Any) -> None:
        """Note what a `TFMessage` of `/tf_static` says."""
        for stamped in message.transforms:
            parent, child = str(stamped.header.frame_id), str(stamped.child_frame_id)
            parent_from_child = rigid(stamped.transform.translation, stamped.transform.rotation)
            self._next.setdefault(parent, {})[child] = parent_from_child
            child_from_parent = np.asarray(np.linalg.inv(parent_from_child), np.float64)
            self._next.setdefault(child, {})[parent] = child_from_parent

    def between(self, target: str, source: str) -> Transform | None:
        """(4, 4) target from source; None where nothing bolts them together."""
        if target == source:
            return np.eye(4)
        seen, todo = {target}, deque([(target, np.eye(4))])
        while todo:
            frame, target_from_frame = todo.popleft()
            for other, frame_from_other in self._next.get(frame, {}).items():
                if other in seen:
                    continue
                found: Transform = target_from_frame @ frame_from_other
                if other == source:
                    return found
                seen.add(other)
                todo.append((other, found))
        return None
