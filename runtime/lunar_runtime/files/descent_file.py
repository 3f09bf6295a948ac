"""`descent.json`: the frames of one camera in the order in which they were taken, and their poses.

The file lies in a folder beside what it names. A vehicle's log can be written so, and so is what
`lunar-calib descent` renders, which knows the truth too.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import msgspec

from lunar_runtime.errors import InputError
from lunar_runtime.files.atomic import atomic_path
from lunar_runtime.files.regular_file import read_regular, text_bytes
from lunar_runtime.files.strict_json import check_json

NAME = "descent.json"
_MOST_BYTES = 64 << 20  # 100 000 frames with both poses

Pose = tuple[
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
    tuple[float, float, float, float],
]


class DescentCamera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The camera that took all frames: a pinhole.

    Attributes:
        width: Of every frame, pixels.
        height: Of every frame, pixels.
        intrinsics: fx, fy, cx, cy in pixels; the centre of the top-left pixel is (0.5, 0.5).
    """

    width: int
    height: int
    intrinsics: tuple[float, float, float, float]


class PoseErrors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How wrong the poses of two frames are to each other: standard deviations.

    Attributes:
        rotation_deg: Of the turn from one frame to the other, degrees.
        baseline: Of the way from one frame to the other, along each axis, as a share of its length.
    """

    rotation_deg: float
    baseline: float


class DescentFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One frame.

    Attributes:
        file: Its image, relative to this file.
        time_s: When it was taken, seconds from any one start.
        world_from_camera: 4×4 rigid transform, row by row, metres: maps points of the camera (x
            right, y down, z forward) into the world, as the vehicle's navigation has it. Null =
            not known.
        altitude_m: Of the camera above the ground straight below, as an altimeter says. Null = it
            says nothing.
        exposure: Counts of the image a unit of radiance: what exposure control chose.
        truth: The frame's true depth, an NPZ file relative to this one.
        true_world_from_camera: As `world_from_camera`, without error.
        true_altitude_m: As `altitude_m`, without error.
    """

    file: str
    time_s: float
    world_from_camera: Pose | None = None
    altitude_m: float | None = None
    exposure: float | None = None
    truth: str | None = None
    true_world_from_camera: Pose | None = None
    true_altitude_m: float | None = None


class Descent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The frames of a descent, and what is known of all of them.

    Attributes:
        version: Of this format: 1.
        camera: That took the frames.
        frames: In the order in which they arrived.
        up: Against gravity in the world's frame, any length. Null = not known: slopes are then
            measured from the ground's own plane.
        pose_errors: Of `world_from_camera`. Null = the poses are not used.
        altitude_error: Of `altitude_m`: standard deviation, as a share.
        site: An NPZ file with the true ground around the landing site, relative to this file.
        rendered: What was rendered, for whoever wants it again.
    """

    version: Literal[1]
    camera: DescentCamera
    frames: list[DescentFrame]
    up: tuple[float, float, float] | None = None
    pose_errors: PoseErrors | None = None
    altitude_error: float = 0.0
    site: str | None = None
    rendered: dict[str, Any] | None = None


def read_descent(folder: Path | str) -> Descent:
    """Read the `descent.json` of a folder; its images are not looked at.

    Raises:
        InputError: It is missing, or not as the structs above say.
    """
    path = Path(folder) / NAME
    content = text_bytes(
        read_regular(path, _MOST_BYTES, "a descent's folder", "split the descent"), path
    )
    try:
        check_json(content)
        descent = msgspec.json.decode(content, type=Descent)
        if not descent.frames:
            raise ValueError("no frames in it")
        for frame in descent.frames:
            _check_inside(frame.file)
    except ValueError as error:
        raise InputError(f"{path}: not a descent: {error}") from error
    return descent


def write_descent(descent: Descent, folder: Path | str) -> Path:
    """Write `descent.json` into a folder, one frame a line.

    Raises:
        OutputError: It cannot be written.
    """
    path = Path(folder) / NAME
    head = msgspec.json.encode(msgspec.structs.replace(descent, frames=[]))
    lines = b",\n".join(msgspec.json.encode(frame) for frame in descent.frames)
    before, after = head.split(b'"frames":[]', 1)
    with atomic_path(path) as file:
        file.write_bytes(before + b'"frames":[\n' + lines + b"\n]" + after + b"\n")
    return path


def _check_inside(name: str) -> None:
    normal = Path(os.path.normpath(name))
    if normal.is_absolute() or normal.parts[0] == os.pardir:
        raise ValueError(f"the file {name!r} is outside the descent's folder")
