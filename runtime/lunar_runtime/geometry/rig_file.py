"""The file that a rig is read from."""

from __future__ import annotations

import math
import os
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.regular_file import read_regular, text_bytes
from lunar_runtime.files.strict_json import check_json
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.rig import (
    ATTITUDE_SIGMA_DEG,
    MOST_FOCAL_SIGMA,
    Rig,
    RigPose,
    check_attitude_sigma,
    rigid_transform,
)

_MAX_BYTES = 1 << 20

# OpenCV's names, in OpenCV's order.
_COEFFICIENTS = {
    "brown_conrady": ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"),
    "fisheye": ("k1", "k2", "k3", "k4"),
}

#: The one body-fixed frame that is understood: of the Moon's mean Earth direction and polar axis.
BODY_FRAME = "MOON_ME"
# The deepest ground of the Moon is 9.1 km below its mean radius; beyond 10 radii nobody maps it.
_LEAST_RADIUS_M, _LARGEST_RADIUS_M = 1_728_000.0, 17_374_000.0


class _CameraFile(msgspec.Struct, forbid_unknown_fields=True):
    intrinsics: list[Any]
    distortion: dict[str, str | float] | None = None


class _RigFile(msgspec.Struct, forbid_unknown_fields=True):
    left: _CameraFile | None = None
    right: _CameraFile | None = None
    right_from_left: list[list[float]] | None = None
    up_left: list[float] | None = None
    pose: RigPose | None = None
    pose_sigma_deg: tuple[float, float] | None = None
    focal_sigma: float | None = None
    attitude_sigma_deg: float | None = None
    body_from_left: list[list[float]] | None = None
    body_frame: str | None = None


def read_rig(path: str | os.PathLike[str]) -> Rig:
    """Read a rig file.

    A JSON object with any of these, at least one::

        {"left": {"intrinsics": [fx, fy, cx, cy],             pixels; or a 3 × 3 matrix
                  "distortion": {"model": "brown_conrady", "k1": -0.1}},   or "fisheye"
         "right": {"intrinsics": [fx, fy, cx, cy]},
         "right_from_left": [[…4], [0, 0, 0, 1]],             4 × 4 rigid transform, metres
         "up_left": [x, y, z],                                against gravity, left camera's frame
         "attitude_sigma_deg": 0.1,                           of up_left, about each axis
         "pose": "initial",                                   or "fixed": hold right_from_left
         "pose_sigma_deg": [0.02, 0.1],                       of its rotation and direction
         "focal_sigma": 0.002,                                of the focal lengths, relative
         "body_from_left": [[…4], [0, 0, 0, 1]],              4 × 4 rigid transform, metres
         "body_frame": "MOON_ME"}                             needed beside it

    Args:
        path: The JSON file.

    Returns:
        The rig; `up_left` at unit length, the rotation exactly orthonormal.

    Raises:
        InputError: The file cannot be read, or anything in it is not as above.
    """
    content = text_bytes(read_regular(path, _MAX_BYTES, "a rig file", "give a rig file"), path)
    try:
        check_json(content)
        file = msgspec.json.decode(content, type=_RigFile)
    except ValueError as error:
        raise InputError(f"{path}: not a rig file: {error}") from error
    if file == _RigFile():
        raise InputError(f"{path}: the rig is empty; give left, right, right_from_left or up_left")
    try:
        return Rig(
            left=_intrinsics("left", file.left),
            right=_intrinsics("right", file.right),
            right_from_left=None
            if file.right_from_left is None
            else rigid_transform("right_from_left", file.right_from_left),
            up_left=_unit_vector("up_left", file.up_left),
            distortion_left=_distortion("left", file.left),
            distortion_right=_distortion("right", file.right),
            body_from_left=_body_from_left(file),
            focal_sigma=_focal_sigma(file),
            attitude_sigma_deg=_attitude_sigma(file),
            **_pose_rules(file),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _intrinsics(name: str, camera: _CameraFile | None) -> Intrinsics | None:
    if camera is None:
        return None
    try:
        if camera.intrinsics and isinstance(camera.intrinsics[0], list):
            matrix = msgspec.convert(camera.intrinsics, list[list[float]])
            if [len(row) for row in matrix] == [3, 3, 3]:
                return Intrinsics.from_matrix(matrix)
        else:
            values = msgspec.convert(camera.intrinsics, list[float])
            if len(values) == 4:
                return Intrinsics(*values)
        raise InputError("write four numbers [fx, fy, cx, cy] or a 3 × 3 matrix")
    except (InputError, msgspec.ValidationError) as error:
        raise InputError(f"{name}.intrinsics: {error}") from error


def _distortion(name: str, camera: _CameraFile | None) -> Distortion | None:
    if camera is None or camera.distortion is None:
        return None
    given = dict(camera.distortion)
    model = given.pop("model", "brown_conrady")
    known = _COEFFICIENTS.get(str(model))
    if known is None:
        raise InputError(f"{name}.distortion.model {model!r}: write brown_conrady or fisheye")
    for key, value in given.items():
        if key not in known:
            raise InputError(f"{name}.distortion: {model} has no {key}; it has {', '.join(known)}")
        if isinstance(value, str):
            raise InputError(f"{name}.distortion.{key} must be a number, not {value!r}")
    try:
        return Distortion(model=model, **given)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{name}.distortion: {error}") from error


def _body_from_left(file: _RigFile) -> NDArray[np.float64] | None:
    if file.body_from_left is None:
        if file.body_frame is not None:
            raise InputError("body_frame is about body_from_left, which the rig lacks")
        return None
    if file.body_frame != BODY_FRAME:
        told = "no body_frame" if file.body_frame is None else f"body_frame {file.body_frame!r}"
        raise InputError(
            f'body_from_left with {told}: write "body_frame": "{BODY_FRAME}" and a pose in that '
            "frame; others, as MOON_PA, differ by hundreds of metres on the ground"
        )
    transform = rigid_transform("body_from_left", file.body_from_left)
    away = float(np.linalg.norm(transform[:3, 3]))
    if not _LEAST_RADIUS_M < away < _LARGEST_RADIUS_M:
        raise InputError(
            f"body_from_left puts the camera {away / 1000:.6g} km from the Moon's centre; it maps "
            "points of the left camera into the body's frame, in metres"
        )
    return transform


def _focal_sigma(file: _RigFile) -> float | None:
    if file.focal_sigma is None:
        return None
    if file.left is None:
        raise InputError("focal_sigma is about left.intrinsics, which the rig lacks")
    if not 0 < file.focal_sigma < MOST_FOCAL_SIGMA:
        raise InputError(
            f"focal_sigma {file.focal_sigma:g} must be a share of the focal length, above 0 and "
            f"below {MOST_FOCAL_SIGMA:g}: 0.002 is 0.2 %"
        )
    return file.focal_sigma


def _attitude_sigma(file: _RigFile) -> float:
    if file.attitude_sigma_deg is None:
        return ATTITUDE_SIGMA_DEG
    if file.up_left is None:
        raise InputError("attitude_sigma_deg is about up_left, which the rig lacks")
    check_attitude_sigma(file.attitude_sigma_deg)
    return file.attitude_sigma_deg


def _pose_rules(file: _RigFile) -> dict[str, Any]:
    """What the file says of its pose, which is read and right already."""
    given = {"pose": file.pose, "pose_sigma_deg": file.pose_sigma_deg}
    told = {name: value for name, value in given.items() if value is not None}
    if told and file.right_from_left is None:
        raise InputError(f"{next(iter(told))} is about right_from_left, which the rig lacks")
    if (
        file.pose == "fixed"
        and file.right_from_left
        and not any(row[3] for row in file.right_from_left[:3])
    ):
        raise InputError('pose "fixed" needs a baseline, and right_from_left has none')
    sigmas = file.pose_sigma_deg or (1.0,)
    if not all(math.isfinite(sigma) and sigma > 0 for sigma in sigmas):
        raise InputError(f"pose_sigma_deg must be two positive numbers, not {list(sigmas)}")
    return told


def _unit_vector(name: str, values: list[float] | None) -> NDArray[np.float64] | None:
    if values is None:
        return None
    vector = np.array(values, dtype=np.float64)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else math.nan
    if not (math.isfinite(length) and length > 0):
        raise InputError(f"{name} must be three finite numbers, not all zero: {values}")
    return vector / length
