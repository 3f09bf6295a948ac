"""What is written, as fields of ROS 2's messages: plain mappings, which a node fills its own with.

Frames: a camera's axes are x right, y down, z forward, what ROS calls optical. `lunar_local` is the
level frame on the ground of `lunar_runtime.landing.local_frame`, z up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from numpy.typing import NDArray

from lunar_ground.bags.poses import quaternion_of

Fields = dict[str, Any]

IMAGE, CAMERA = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
POINTS, GRID = "sensor_msgs/msg/PointCloud2", "nav_msgs/msg/OccupancyGrid"
GRID_MAP = "grid_map_msgs/msg/GridMap"
DIAGNOSTICS, TREE = "diagnostic_msgs/msg/DiagnosticArray", "tf2_msgs/msg/TFMessage"
POSE, RANGE = "geometry_msgs/msg/PoseStamped", "sensor_msgs/msg/Range"

OK, WARN, ERROR = 0, 1, 2
_FLOAT32 = 7  # sensor_msgs/msg/PointField
_ENCODINGS = {("u1", 1): "mono8", ("u2", 1): "mono16", ("f4", 1): "32FC1", ("u1", 3): "bgr8"}


class Stamp(NamedTuple):
    """When, and in which frame.

    Attributes:
        time_ns: Since 1970.
        frame: Its name.
    """

    time_ns: int
    frame: str

    def header(self) -> Fields:
        """As `std_msgs/msg/Header` has it."""
        return {"stamp": time_fields(self.time_ns), "frame_id": self.frame}


def time_fields(time_ns: int) -> Fields:
    """Of `builtin_interfaces/msg/Time`."""
    return {"sec": time_ns // 1_000_000_000, "nanosec": time_ns % 1_000_000_000}


def image_fields(values: NDArray[Any], stamp: Stamp) -> Fields:
    """An image, or a map in 32FC1.

    Args:
        values: (H, W) uint8, uint16 or float32, or (H, W, 3) uint8, blue first.
        stamp: When it was taken, by which camera.
    """
    channels = 1 if values.ndim == 2 else values.shape[2]
    encoding = _ENCODINGS[values.dtype.str[1:], channels]
    values = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {
        "header": stamp.header(),
        "height": values.shape[0],
        "width": values.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": values.shape[1] * channels * values.itemsize,
        "data": values.reshape(-1).view(np.uint8),
    }


def camera_fields(K: Intrinsics, size: tuple[int, int], stamp: Stamp) -> Fields:
    """A pinhole; ROS counts pixels from the centre of the first.

    Args:
        K: Its intrinsics; the centre of the top-left pixel is (0.5, 0.5).
        size: Width and height, pixels.
        stamp: When, and the camera's name.
    """
    cx, cy = K.cx - 0.5, K.cy - 0.5
    return {
        "header": stamp.header(),
        "height": size[1],
        "width": size[0],
        "distortion_model": "plumb_bob",
        "d": np.zeros(5),
        "k": np.array([K.fx, 0, cx, 0, K.fy, cy, 0, 0, 1]),
        "r": np.eye(3).ravel(),
        "p": np.array([K.fx, 0, cx, 0, 0, K.fy, cy, 0, 0, 0, 1, 0]),
        "binning_x": 0,
        "binning_y": 0,
        "roi": {"x_offset": 0, "y_offset": 0, "height": 0, "width": 0, "do_rectify": False},
    }


def points_fields(points: NDArray[Any], layers: Mapping[str, NDArray[Any]], stamp: Stamp) -> Fields:
    """A cloud in the order of the pixels, NaN where there is no depth.

    Args:
        points: (H, W, 3) metres.
        layers: More numbers of each point, (H, W), by name: `intensity`, `depth_sigma`.
        stamp: When, in which frame.
    """
    planes = [points[..., 0], points[..., 1], points[..., 2], *layers.values()]
    data = np.stack([np.asarray(plane, "<f4") for plane in planes], axis=-1)
    rows, columns, count = data.shape
    fields = [
        {"name": name, "offset": 4 * i, "datatype": _FLOAT32, "count": 1}
        for i, name in enumerate(["x", "y", "z", *layers])
    ]
    return {
        "header": stamp.header(),
        "height": rows,
        "width": columns,
        "fields": fields,
        "is_bigendian": False,
        "point_step": 4 * count,
        "row_step": 4 * count * columns,
        "data": data.reshape(-1).view(np.uint8),
        "is_dense": bool(np.isfinite(data).all()),
    }


def grid_fields(
    unsafe: NDArray[Any], cell_m: float, corner_m: tuple[float, float], stamp: Stamp
) -> Fields:
    """A map of what must be kept off.

    Args:
        unsafe: (R, C) probability of a hazard; NaN = unknown. Row 0 has the largest y.
        cell_m: Side of a cell.
        corner_m: x and y of the map's lower left corner.
        stamp: When, in which frame.
    """
    percent = np.where(np.isfinite(unsafe), np.rint(np.nan_to_num(unsafe) * 100), -1)
    origin = {
        "position": {"x": corner_m[0], "y": corner_m[1], "z": 0.0},
        "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
    }
    return {
        "header": stamp.header(),
        "info": {
            "map_load_time": time_fields(stamp.time_ns),
            "resolution": cell_m,
            "width": unsafe.shape[1],
            "height": unsafe.shape[0],
            "origin": origin,
        },
        "data": percent[::-1].astype(np.int8).ravel(),  # from the lower left, along x
    }


def grid_map_fields(
    layers: Mapping[str, NDArray[Any]],
    cell_m: float,
    corner_m: tuple[float, float],
    stamp: Stamp,
) -> Fields:
    """Layers of the ground. A grid map's rows run against x, its columns against y.

    Args:
        layers: (R, C) by name, the first is the elevation; NaN = unknown. Row 0 has the largest y.
        cell_m: Side of a cell.
        corner_m: x and y of the map's lower left corner.
        stamp: When, in which frame.
    """
    rows, columns = next(iter(layers.values())).shape
    length_x, length_y = columns * cell_m, rows * cell_m
    layout = {
        "dim": [
            {"label": "column_index", "size": rows, "stride": rows * columns},
            {"label": "row_index", "size": columns, "stride": columns},
        ],
        "data_offset": 0,
    }
    centre = {"x": corner_m[0] + length_x / 2, "y": corner_m[1] + length_y / 2, "z": 0.0}
    return {
        "header": stamp.header(),
        "info": {
            "resolution": cell_m,
            "length_x": length_x,
            "length_y": length_y,
            "pose": {"position": centre, "orientation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0}},
        },
        "layers": list(layers),
        "basic_layers": [next(iter(layers))],
        "data": [
            # Column by column of the grid map: our rows, each from the largest x on.
            {"layout": layout, "data": np.asarray(values[:, ::-1], np.float32).ravel()}
            for values in layers.values()
        ],
        "outer_start_index": 0,
        "inner_start_index": 0,
    }


def pose_fields(transform: NDArray[Any], stamp: Stamp) -> Fields:
    """Of `PoseStamped`.

    Args:
        transform: (4, 4) the stamp's frame from what is posed, metres.
        stamp: When, in which frame.
    """
    return {"header": stamp.header(), "pose": _placed(transform, "position", "orientation")}


def tree_fields(links: Sequence[tuple[NDArray[Any], Stamp, str]]) -> Fields:
    """Where frames are in others.

    Args:
        links: (4, 4) parent from child, the parent's stamp, the child's name.
    """
    transforms = [
        {
            "header": parent.header(),
            "child_frame_id": child,
            "transform": _placed(parent_from_child, "translation", "rotation"),
        }
        for parent_from_child, parent, child in links
    ]
    return {"transforms": transforms}


def range_fields(metres: float, stamp: Stamp) -> Fields:
    """An altimeter's word."""
    return {
        "header": stamp.header(),
        "radiation_type": 1,  # INFRARED: the nearest to a laser that there is
        "field_of_view": 0.0,
        "min_range": 0.0,
        "max_range": float("inf"),
        "range": metres,
    }


def diagnostics_fields(
    level: int, message: str, values: Mapping[str, object], stamp: Stamp
) -> Fields:
    """How a result came about.

    Args:
        level: `OK`, `WARN` or `ERROR`.
        message: In one line.
        values: What else is known.
        stamp: Of the result.
    """
    status = {
        "level": level,
        "name": "lunar-edge: stereo",
        "message": message,
        "hardware_id": "",
        "values": [{"key": key, "value": str(value)} for key, value in values.items()],
    }
    return {"header": stamp.header(), "status": [status]}


def _placed(transform: NDArray[Any], place: str, turn: str) -> Fields:
    R = np.asarray(transform[:3, :3], np.float64)
    x, y, z, w = (float(value) for value in quaternion_of(R))
    at = (float(value) for value in transform[:3, 3])
    return {place: dict(zip("xyz", at, strict=True)), turn: {"x": x, "y": y, "z": z, "w": w}}
