"""Pinhole cameras: intrinsics, the rays of their pixels, and the rig of two of them.

Convention:
    Pixels: the centre of the top-left pixel is (0.5, 0.5), so an image spans [0, W] × [0, H]. (A
    tool whose top-left centre is (0, 0) gives a principal point that is 0.5 px smaller.)
    Axes (OpenCV): x right, y down, z forward.
    `b_from_a` maps points of frame a into frame b.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, UsageError

# A rotation printed with six decimals, as rig files are, is orthonormal to about 1e-6 per entry.
_ROTATION_TOLERANCE = 1e-4
_FOCAL_ITERATIONS = 50
_FOCAL_GRID = 256  # pixels of the pointmap used, per side; one unknown needs no more


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion.

    Attributes:
        fx: Focal length along x, in pixels.
        fy: Focal length along y, in pixels.
        cx: Principal point from the image's left edge, in pixels; see the module's convention.
        cy: Principal point from the image's top edge, in pixels.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        values = (self.fx, self.fy, self.cx, self.cy)
        if not all(math.isfinite(value) for value in values):
            raise InputError(f"intrinsics must be finite, not {values}")
        if self.fx <= 0 or self.fy <= 0:
            raise InputError(f"focal lengths must be positive pixels, not {self.fx:g}, {self.fy:g}")

    def matrix(self) -> NDArray[np.float64]:
        """The (3, 3) camera matrix K: pixel ~ K @ point."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    def scaled(self, horizontal: float, vertical: float) -> Intrinsics:
        """The same camera on a resized image.

        Args:
            horizontal: New width over the old one.
            vertical: The same of the height.
        """
        return Intrinsics(
            self.fx * horizontal, self.fy * vertical, self.cx * horizontal, self.cy * vertical
        )

    @classmethod
    def from_matrix(cls, K: ArrayLike) -> Intrinsics:
        """Take the intrinsics from a camera matrix [[fx, 0, cx], [0, fy, cy], [0, 0, 1]].

        Raises:
            InputError: `K` is not such a matrix (a skew is not supported).
        """
        try:
            matrix = np.asarray(K, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError("a camera matrix is 3 × 3 numbers") from error
        if matrix.shape != (3, 3):
            raise InputError(f"a camera matrix is 3 × 3, not {_shape_text(matrix)}")
        rest = np.array([matrix[0, 1], matrix[1, 0], *matrix[2]]) - [0, 0, 0, 0, 1]
        if not np.all(np.abs(rest) <= 1e-9):
            raise InputError(
                "a camera matrix is [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]; "
                f"skew and other entries are not supported: {matrix.tolist()}"
            )
        return cls(*(float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2))))

    @classmethod
    def parse(cls, text: str) -> Intrinsics:
        """Read "FX,FY,CX,CY", in pixels, as the command line takes it.

        Raises:
            UsageError: The text is anything else.
        """
        how = "write FX,FY,CX,CY in pixels, for example 618.04,618.04,256,256"
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError as error:
            raise UsageError(f"intrinsics {text!r} are not numbers; {how}") from error
        if len(values) != 4:
            raise UsageError(f"intrinsics {text!r} have {len(values)} numbers, not 4; {how}")
        try:
            return cls(*values)
        except InputError as error:
            raise UsageError(f"intrinsics {text!r}: {error}; {how}") from error


@dataclass(frozen=True)
class Rig:
    """What is known about the two cameras beforehand; None = not known.

    Attributes:
        left: Intrinsics of the left camera.
        right: Intrinsics of the right camera.
        right_from_left: (4, 4) float64 rigid transform, metres.
        up_left: (3,) float64 unit vector against gravity in the left camera's frame.
    """

    left: Intrinsics | None = None
    right: Intrinsics | None = None
    right_from_left: NDArray[np.float64] | None = None
    up_left: NDArray[np.float64] | None = None


class _CameraFile(msgspec.Struct, forbid_unknown_fields=True):
    intrinsics: list[Any]


class _RigFile(msgspec.Struct, forbid_unknown_fields=True):
    left: _CameraFile | None = None
    right: _CameraFile | None = None
    right_from_left: list[list[float]] | None = None
    up_left: list[float] | None = None


def read_rig(path: str | os.PathLike[str]) -> Rig:
    """Read a rig file.

    A JSON object with any of these, at least one::

        {"left": {"intrinsics": [fx, fy, cx, cy]},            pixels; or a 3 × 3 matrix
         "right": {"intrinsics": [fx, fy, cx, cy]},
         "right_from_left": [[…4], [0, 0, 0, 1]],             4 × 4 rigid transform, metres
         "up_left": [x, y, z]}                                against gravity, left camera's frame

    Args:
        path: The JSON file.

    Returns:
        The rig; `up_left` at unit length, the rotation exactly orthonormal.

    Raises:
        InputError: The file cannot be read, or anything in it is not as above.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{path}: the rig cannot be read ({reason})") from error
    try:
        file = msgspec.json.decode(content, type=_RigFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a rig file: {error}") from error
    if file == _RigFile():
        raise InputError(f"{path}: the rig is empty; give left, right, right_from_left or up_left")
    try:
        return Rig(
            left=_intrinsics("left", file.left),
            right=_intrinsics("right", file.right),
            right_from_left=_rigid_transform("right_from_left", file.right_from_left),
            up_left=_unit_vector("up_left", file.up_left),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def pixel_rays(intrinsics: Intrinsics, height: int, width: int) -> NDArray[np.float32]:
    """The direction through every pixel's centre, scaled to z = 1.

    `depth[..., None] * pixel_rays(...)` is the pointmap of a depth image.

    Returns:
        (height, width, 3) float32, camera frame.

    Raises:
        InputError: The size is not positive.
    """
    if height <= 0 or width <= 0:
        raise InputError(f"an image has a positive size, not {height} × {width}")
    rays = np.empty((height, width, 3), dtype=np.float32)
    rays[..., 0] = (np.arange(width) + 0.5 - intrinsics.cx) / intrinsics.fx
    rays[..., 1] = ((np.arange(height) + 0.5 - intrinsics.cy) / intrinsics.fy)[:, None]
    rays[..., 2] = 1.0
    return rays


def estimate_intrinsics(
    pointmap: NDArray[Any], confidence: NDArray[Any] | None = None
) -> Intrinsics:
    """The one focal length that best explains a pointmap in its own camera's frame.

    Square pixels, principal point at the image's centre. The focal minimises the sum of the
    (confidence-weighted) distances, not squares, between pixels and projected points, so that a
    minority of wrong points hardly moves it (Weiszfeld's iteration, from a weighted median).

    Args:
        pointmap: (H, W, 3), any unit, in the frame of the camera whose pixels these are.
        confidence: (H, W), weight of every point; None = equal weights. Not finite = 0.

    Returns:
        The intrinsics, fx = fy.

    Raises:
        InputError: Wrong shapes, or no point in front of the camera to estimate from.
    """
    pointmap = np.asarray(pointmap)
    if pointmap.ndim != 3 or pointmap.shape[-1] != 3:
        raise InputError(f"pointmap must be (H, W, 3), not {pointmap.shape}")
    height, width = pointmap.shape[:2]
    weight = np.ones((height, width)) if confidence is None else np.asarray(confidence, np.float64)
    if weight.shape != (height, width):
        raise InputError(f"confidence must be ({height}, {width}), not {weight.shape}")

    step_y, step_x = -(-height // _FOCAL_GRID), -(-width // _FOCAL_GRID)
    rows, columns = np.mgrid[step_y // 2 : height : step_y, step_x // 2 : width : step_x]
    point, weight = pointmap[rows, columns].astype(np.float64), weight[rows, columns]
    usable = np.isfinite(point).all(axis=-1) & (point[..., 2] > 0)
    usable &= np.isfinite(weight) & (weight > 0)
    point, weight = point[usable], weight[usable]
    row, column = rows[usable], columns[usable]
    offset_px = np.stack([column + 0.5 - width / 2, row + 0.5 - height / 2], axis=-1)  # (N, 2)
    tangent = point[:, :2] / point[:, 2:]  # (N, 2), offset_px ≈ focal * tangent
    tangent_sq = np.sum(tangent**2, axis=-1)
    informative = tangent_sq > 0
    if not np.any(informative):
        raise InputError(
            "the focal length cannot be estimated: the pointmap has no finite point in front of "
            "the camera; give --intrinsics FX,FY,CX,CY"
        )
    offset_px, tangent = offset_px[informative], tangent[informative]
    tangent_sq, weight = tangent_sq[informative], weight[informative]

    along = np.sum(offset_px * tangent, axis=-1)
    # A wrong focal displaces a point by |tangent| pixels per pixel of focal: hence this weight.
    focal = _weighted_median(along / tangent_sq, weight * np.sqrt(tangent_sq))
    for _ in range(_FOCAL_ITERATIONS):
        distance = np.linalg.norm(offset_px - focal * tangent, axis=-1)
        pull = weight / np.maximum(distance, 1e-6)
        previous, focal = focal, float(np.sum(pull * along) / np.sum(pull * tangent_sq))
        if abs(focal - previous) <= 1e-9 * abs(focal):
            break
    if not (math.isfinite(focal) and focal > 0):
        raise InputError(
            f"the focal length estimated from the pointmap is {focal:g} px, so the pointmap is "
            "not in its own camera's frame; give --intrinsics FX,FY,CX,CY"
        )
    return Intrinsics(focal, focal, width / 2, height / 2)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


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


def _rigid_transform(name: str, rows: list[list[float]] | None) -> NDArray[np.float64] | None:
    if rows is None:
        return None
    if [len(row) for row in rows] != [4, 4, 4, 4]:
        raise InputError(f"{name} must be a 4 × 4 matrix (metres)")
    transform = np.array(rows, dtype=np.float64)
    if not np.isfinite(transform).all():
        raise InputError(f"{name} must be finite")
    if not np.array_equal(transform[3], [0, 0, 0, 1]):
        raise InputError(f"{name}: the last row must be [0, 0, 0, 1], not {transform[3].tolist()}")
    R = transform[:3, :3]
    error = float(np.abs(R @ R.T - np.eye(3)).max())
    if error > _ROTATION_TOLERANCE:
        raise InputError(f"{name}: the rotation is not orthonormal (R @ R.T is off by {error:.2g})")
    if np.linalg.det(R) < 0:
        raise InputError(f"{name}: the rotation mirrors (determinant -1); it must be a rotation")
    U, _, Vt = np.linalg.svd(R)
    transform[:3, :3] = U @ Vt
    return transform


def _unit_vector(name: str, values: list[float] | None) -> NDArray[np.float64] | None:
    if values is None:
        return None
    vector = np.array(values, dtype=np.float64)
    length = float(np.linalg.norm(vector)) if vector.shape == (3,) else math.nan
    if not (math.isfinite(length) and length > 0):
        raise InputError(f"{name} must be three finite numbers, not all zero: {values}")
    return vector / length


def _shape_text(array: NDArray[Any]) -> str:
    return " × ".join(str(size) for size in array.shape) or "a single number"
