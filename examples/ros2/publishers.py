"""Publishers of whatever topics come up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from filled import filled
from lunar_ground.bags.messages import Fields
from rclpy.node import Node
from rosidl_runtime_py.utilities import get_message


class Publishers:
    """One for each topic, made when it is first said something on.

    A type that this ROS does not have (grid_map_msgs is a package of its own) is named once and
    passed over.

    Args:
        node: Whose they are.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._out: dict[str, Any] = {}

    def publish(self, said: Iterable[tuple[str, str, Fields]]) -> None:
        """Say everything: topic, type and fields."""
        for topic, kind, fields in said:
            if topic not in self._out:
                self._out[topic] = self._made(topic, kind)
            publisher = self._out[topic]
            if publisher is not None:
                publisher.publish(filled(get_message(kind)(), fields, get_message))

    def _made(self, topic: str, kind: str) -> Any:
        try:
            return self._node.create_publisher(get_message(kind), topic, 1)
        except (ImportError, AttributeError):
            self._node.get_logger().warning(f"{topic}: {kind} is not installed; not published")
            return None
