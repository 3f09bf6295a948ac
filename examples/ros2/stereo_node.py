"""A ROS 2 node: two cameras to depth, cloud and diagnostics.

    python stereo_node.py --ros-args -r left/image_raw:=/camera/left/image_raw \
        -r right/image_raw:=/camera/right/image_raw -p baseline_m:=0.4

It computes the newest pair; what comes meanwhile is passed over. All it does is in stereo_logic.py.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import rclpy
from lunar_runtime import StereoRuntime
from lunar_runtime.errors import LunarError
from publishers import Publishers
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from stereo_logic import SIDES, StereoLogic

LOOK_S = 0.02


class StereoNode(Node):  # type: ignore[misc]  # rclpy is there on a robot alone
    """The shell around `StereoLogic`."""

    def __init__(self) -> None:
        super().__init__("lunar_stereo")
        told = {
            name: self.declare_parameter(name, default).value
            for name, default in (
                ("bundle", ""), ("rectified", False), ("baseline_m", 0.0), ("altitude_m", 0.0),
                ("within_ms", 1.0),
            )
        }  # fmt: skip
        self._logic = StereoLogic(
            StereoRuntime.load(told["bundle"] or None),
            rectified=told["rectified"],
            baseline_m=told["baseline_m"] or None,
            altitude_m=told["altitude_m"] or None,
            within_ms=told["within_ms"],
        )
        self._publishers = Publishers(self)
        for side in SIDES:
            info, image = partial(self._info, side), partial(self._logic.image, side)
            quality = qos_profile_sensor_data
            self.create_subscription(CameraInfo, f"{side}/camera_info", info, quality)
            self.create_subscription(Image, f"{side}/image_raw", image, quality)
        # Of its own, so that images go on coming while a pair is computed.
        self.create_timer(LOOK_S, self._look, MutuallyExclusiveCallbackGroup())

    def _info(self, side: str, message: Any) -> None:
        try:
            self._logic.info(side, message)
        except LunarError as error:
            self.get_logger().error(str(error), throttle_duration_sec=10.0)

    def _look(self) -> None:
        try:
            taken = self._logic.newest()
        except LunarError as error:
            self.get_logger().error(str(error))
            return
        if taken is None:
            return
        self._publishers.publish(self._logic.answer(taken))


def main() -> None:
    """Until ROS is shut down."""
    rclpy.init()
    executor = MultiThreadedExecutor(2)
    executor.add_node(StereoNode())
    executor.spin()


if __name__ == "__main__":
    main()
