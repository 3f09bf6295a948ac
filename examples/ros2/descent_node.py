"""A ROS 2 node: one descending camera to depth, cloud, grid map and diagnostics.

    python descent_node.py --ros-args -r image_raw:=/nav/image_raw -r pose:=/nav/pose \
        -r altitude:=/altimeter -p pose_rotation_deg:=0.03 -p pose_baseline:=0.02

A thin shell over `StereoStream`: all it does is in descent_logic.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import rclpy
from descent_logic import DescentLogic, Said
from geometry_msgs.msg import PoseStamped
from lunar_ground.bags.poses import ODOMETRY, POSE
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import LunarError
from lunar_runtime.files.descent_file import PoseErrors
from nav_msgs.msg import Odometry
from publishers import Publishers
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, Range


class DescentNode(Node):  # type: ignore[misc]  # rclpy is there on a robot alone
    """The shell around `DescentLogic`."""

    def __init__(self) -> None:
        super().__init__("lunar_descent")
        told = {
            name: self.declare_parameter(name, default).value
            for name, default in (
                ("bundle", ""), ("rectified", False), ("pose_rotation_deg", 0.0),
                ("pose_baseline", 0.0), ("altitude_sigma", 0.0), ("up", [0.0, 0.0, 1.0]),
            )
        }  # fmt: skip
        errors = PoseErrors(rotation_deg=told["pose_rotation_deg"], baseline=told["pose_baseline"])
        self._logic = DescentLogic(
            StereoRuntime.load(told["bundle"] or None),
            rectified=told["rectified"],
            pose_errors=errors if errors.baseline > 0 else None,
            up=np.array(told["up"]),
            altitude_sigma=told["altitude_sigma"],
        )
        self._publishers = Publishers(self)
        for kind, topic, take in (
            (CameraInfo, "camera_info", self._logic.info),
            (Image, "image_raw", self._logic.image),
            (PoseStamped, "pose", partial(self._logic.pose, kind=POSE)),
            (Odometry, "odometry", partial(self._logic.pose, kind=ODOMETRY)),
            (Range, "altitude", self._logic.altitude),
        ):
            heard = partial(self._hear, take)
            self.create_subscription(kind, topic, heard, qos_profile_sensor_data)

    def _hear(self, take: Callable[[Any], list[Said] | None], message: Any) -> None:
        try:
            self._publishers.publish(take(message) or [])
        except LunarError as error:
            self.get_logger().error(str(error), throttle_duration_sec=10.0)

    def finish(self) -> None:
        """Say what is left to say."""
        self._publishers.publish(self._logic.finish())


def main() -> None:
    """Until ROS is shut down."""
    rclpy.init()
    node = DescentNode()
    try:
        rclpy.spin(node)
    finally:
        node.finish()


if __name__ == "__main__":
    main()
