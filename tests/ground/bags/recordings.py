"""Recordings that the public libraries write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from numpy.typing import NDArray
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as BagWriter
from rosbags.typesys import Stores, get_typestore

STORE = get_typestore(Stores.ROS2_HUMBLE)
START_NS = 1_700_000_000_000_000_000


class Said(NamedTuple):
    """One message to record."""

    topic: str
    kind: str
    message: Any
    time_ns: int


def make(kind: str, **fields: Any) -> Any:
    return STORE.types[kind](**fields)


def header(time_ns: int, frame: str = "camera") -> Any:
    stamp = make("builtin_interfaces/msg/Time", sec=time_ns // 10**9, nanosec=time_ns % 10**9)
    return make("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def image(
    values: NDArray[Any],
    encoding: str,
    time_ns: int = START_NS,
    *,
    big: bool = False,
    padding: int = 0,
    frame: str = "camera",
) -> Any:
    """An Image with rows as they come from a camera with aligned memory."""
    stored = values.astype(values.dtype.newbyteorder(">" if big else "<"))
    rows = np.ascontiguousarray(stored).view(np.uint8).reshape(len(values), -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=7)
    return make(
        "sensor_msgs/msg/Image",
        header=header(time_ns, frame),
        height=values.shape[0],
        width=values.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.ravel(),
    )


def compressed(data: bytes, form: str, time_ns: int = START_NS) -> Any:
    return make(
        "sensor_msgs/msg/CompressedImage",
        header=header(time_ns),
        format=form,
        data=np.frombuffer(data, np.uint8),
    )


def camera_info(
    K: Sequence[float],
    size: tuple[int, int],
    *,
    d: Sequence[float] = (),
    model: str = "plumb_bob",
    tx: float = 0.0,
    roi: tuple[int, int, int, int] = (0, 0, 0, 0),
    binning: int = 0,
    frame: str = "camera",
    time_ns: int = START_NS,
) -> Any:
    fx, fy, cx, cy = K
    x, y, width, height = roi
    return make(
        "sensor_msgs/msg/CameraInfo",
        header=header(time_ns, frame),
        height=size[1],
        width=size[0],
        distortion_model=model,
        d=np.array(d, float),
        k=np.array([fx, 0, cx, 0, fy, cy, 0, 0, 1.0]),
        r=np.eye(3).ravel(),
        p=np.array([fx, 0, cx, tx, 0, fy, cy, 0, 0, 0, 1.0, 0]),
        binning_x=binning,
        binning_y=binning,
        roi=make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=x, y_offset=y, height=height, width=width, do_rectify=False,
        ),
    )  # fmt: skip


def pose(place: Sequence[float], turn: Sequence[float]) -> Any:
    at = make("geometry_msgs/msg/Point", x=place[0], y=place[1], z=place[2])
    q = make("geometry_msgs/msg/Quaternion", x=turn[0], y=turn[1], z=turn[2], w=turn[3])
    return make("geometry_msgs/msg/Pose", position=at, orientation=q)


def odometry(place: Sequence[float], turn: Sequence[float], time_ns: int, child: str) -> Any:
    zero = make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)
    twist = make("geometry_msgs/msg/Twist", linear=zero, angular=zero)
    return make(
        "nav_msgs/msg/Odometry",
        header=header(time_ns, "map"),
        child_frame_id=child,
        pose=make(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=pose(place, turn), covariance=np.zeros(36),
        ),
        twist=make(
            "geometry_msgs/msg/TwistWithCovariance", twist=twist, covariance=np.zeros(36)
        ),
    )  # fmt: skip


def bolted(parent: str, child: str, place: Sequence[float], turn: Sequence[float]) -> Any:
    at = make("geometry_msgs/msg/Vector3", x=place[0], y=place[1], z=place[2])
    q = make("geometry_msgs/msg/Quaternion", x=turn[0], y=turn[1], z=turn[2], w=turn[3])
    link = make("geometry_msgs/msg/Transform", translation=at, rotation=q)
    stamped = make(
        "geometry_msgs/msg/TransformStamped",
        header=header(START_NS, parent), child_frame_id=child, transform=link,
    )  # fmt: skip
    return make("tf2_msgs/msg/TFMessage", transforms=[stamped])


def spelled(kind: str, *, old: bool) -> str:
    """A type's name; as ROS 1 and the first ROS 2 wrote it."""
    return kind.replace("/msg/", "/") if old else kind


def write_rosbag(
    path: Path,
    said: Sequence[Said],
    storage: str,
    *,
    old_names: bool = False,
    compressed_messages: bool = False,
) -> Path:
    """A bag's folder, written by rosbags."""
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    bag = BagWriter(path, version=9, storage_plugin=plugin)
    if compressed_messages:
        bag.set_compression(CompressionMode.MESSAGE, CompressionFormat.ZSTD)
    with bag:
        connections: dict[str, Any] = {}
        for topic, kind, message, time_ns in said:
            if topic not in connections:
                connections[topic] = bag.add_connection(
                    topic,
                    spelled(kind, old=old_names),
                    msgdef=STORE.generate_msgdef(kind, ros_version=2)[0],
                    rihs01=STORE.hash_rihs01(kind),
                )
            bag.write(connections[topic], time_ns, STORE.serialize_cdr(message, kind))
    return path


def write_mcap(
    path: Path,
    said: Sequence[Said],
    *,
    compression: CompressionType = CompressionType.ZSTD,
    chunk_size: int = 1 << 20,
    old_names: bool = False,
) -> Path:
    """An MCAP file, written by mcap."""
    with path.open("wb") as stream:
        writer = McapWriter(stream, compression=compression, chunk_size=chunk_size)
        writer.start(profile="ros2")
        channels: dict[str, int] = {}
        for topic, kind, message, time_ns in said:
            if topic not in channels:
                text, _ = STORE.generate_msgdef(kind, ros_version=2)
                schema = writer.register_schema(
                    spelled(kind, old=old_names), "ros2msg", text.encode()
                )
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            data = bytes(STORE.serialize_cdr(message, kind))
            writer.add_message(channels[topic], time_ns, data, time_ns)
        writer.finish()
    return path
