"""Cameras in messages of ROS 2 (`sensor_msgs/msg/CameraInfo`), as a rig has them.

ROS counts pixels from the centre of the first, which is (0.5, 0.5) here. `k` and `d` are of the raw
image of the whole, unbinned sensor; `p` is of the rectified one, and its last column holds the
baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion

KIND = "sensor_msgs/msg/CameraInfo"
_BROWN = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
# ROS' names of OpenCV's models, and the numbers of each.
_MODELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "plumb_bob": ("brown_conrady", _BROWN[:5]),
    "rational_polynomial": ("brown_conrady", _BROWN),
    "equidistant": ("fisheye", ("k1", "k2", "k3", "k4")),
    "fisheye": ("fisheye", ("k1", "k2", "k3", "k4")),
}


@dataclass(frozen=True)
class Camera:
    """A camera of a recording.

    Attributes:
        width: Of its images, pixels.
        height: Of its images, pixels.
        intrinsics: Of the images; the centre of the top-left pixel is (0.5, 0.5).
        distortion: Of its lens; None = a pinhole's, or the images are rectified.
        frame: Its name in the recording's tree of frames.
        baseline_m: Of rectified images, from the left camera to this one along x.
    """

    width: int
    height: int
    intrinsics: Intrinsics
    distortion: Distortion | None
    frame: str
    baseline_m: float = 0.0


def camera_of(message: Any, *, rectified: bool) -> Camera:
    """The camera that a message describes.

    Args:
        message: Its fields as attributes.
        rectified: Whether the images are: without distortion, rows of both cameras on one line.

    Raises:
        InputError: It is not calibrated, or of a lens that is not known here.
    """
    matrix = np.asarray(message.p if rectified else message.k, np.float64)
    matrix = matrix.reshape(3, 4 if rectified else 3)
    name = str(message.header.frame_id)
    if not matrix[0, 0] > 0:
        raise InputError(f"the camera {name!r} is not calibrated: its focal length is 0")
    if matrix[0, 1]:
        raise InputError(f"the camera {name!r} has skewed pixels ({matrix[0, 1]:g}), as none here")
    zoom_x, zoom_y = max(1, int(message.binning_x)), max(1, int(message.binning_y))
    roi = message.roi
    whole = not (roi.width and roi.height)
    width, height = (message.width, message.height) if whole else (roi.width, roi.height)
    left, top = (0, 0) if whole else (roi.x_offset, roi.y_offset)
    intrinsics = Intrinsics(
        float(matrix[0, 0]) / zoom_x,
        float(matrix[1, 1]) / zoom_y,
        (float(matrix[0, 2]) + 0.5 - left) / zoom_x,
        (float(matrix[1, 2]) + 0.5 - top) / zoom_y,
    )
    return Camera(
        int(width) // zoom_x,
        int(height) // zoom_y,
        intrinsics,
        None if rectified else _distortion(name, str(message.distortion_model), message.d),
        name,
        float(-matrix[0, 3] / matrix[0, 0]) if rectified else 0.0,
    )


def _distortion(name: str, model: str, numbers: Any) -> Distortion | None:
    given = [float(number) for number in numbers]
    if not any(given):
        return None
    if model not in _MODELS:
        raise InputError(
            f"the camera {name!r} has a lens of model {model!r}; rectify its images, or write "
            f"one of {', '.join(_MODELS)}"
        )
    ours, names = _MODELS[model]
    if any(given[len(names) :]):
        raise InputError(f"the camera {name!r} has {len(given)} numbers of a {model} lens")
    told = dict(zip(names, given, strict=False))
    return Distortion(model=ours, **told)  # type: ignore[arg-type]
