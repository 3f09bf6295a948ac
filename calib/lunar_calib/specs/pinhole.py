"""The renderer's pinhole cameras: intrinsics, pose from a `CameraSpec`, rays, projection.

Convention: OpenCV axes (x right, y down, z forward); the centre of pixel (column i, row j) is at
(i + 0.5, j + 0.5); a ray is unnormalised with camera z = 1, so that its parameter is Z-depth.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lunar_calib.specs.pair_spec import FOV_DEG, CameraSpec

Matrix = NDArray[np.float64]


def focal_px(size_px: int, fov_deg: float = FOV_DEG) -> float:
    """Focal length of a square image; of a field of view of 45° 618.04 px at 512 px."""
    return size_px / 2 / math.tan(math.radians(fov_deg / 2))


def intrinsics(size_px: int, fov_deg: float = FOV_DEG) -> Matrix:
    """3x3 of a square image; see `focal_px`."""
    focal = focal_px(size_px, fov_deg)
    c = size_px / 2
    return np.array([[focal, 0, c], [0, focal, c], [0, 0, 1.0]])


def cam2world(camera: CameraSpec) -> Matrix:
    """4x4 pose of a camera: maps its points into the world frame.

    The optical axis points from the position to the aim, the image's up is `up_hint`; then the
    camera turns about its own x axis (pitch) and its own z axis (roll).
    """
    position = np.array(camera.position_m, dtype=np.float64)
    forward = np.array(camera.aim_m, dtype=np.float64) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, camera.up_hint)
    right /= np.linalg.norm(right)
    base = np.stack([right, np.cross(forward, right), forward], axis=1)
    p, r = math.radians(camera.pitch_deg), math.radians(camera.roll_deg)
    pitch = np.array([[1, 0, 0], [0, math.cos(p), -math.sin(p)], [0, math.sin(p), math.cos(p)]])
    roll = np.array([[math.cos(r), -math.sin(r), 0], [math.sin(r), math.cos(r), 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = base @ pitch @ roll
    pose[:3, 3] = position
    return pose


def world_rays(
    size_px: int, pose: Matrix, samples: int = 1, fov_deg: float = FOV_DEG
) -> list[NDArray[np.float64]]:
    """World direction of every (sub)pixel's ray.

    Args:
        size_px: Image side.
        pose: 4x4 cam2world.
        samples: Sub-pixels along a side of a pixel.
        fov_deg: Across the image.

    Returns:
        Three (H·samples, W·samples) arrays: x, y, z of the direction with camera z = 1.
    """
    n = size_px * samples
    c = ((np.arange(n) + 0.5) / samples - size_px / 2) / focal_px(size_px, fov_deg)
    rotation = pose[:3, :3]
    return [
        (rotation[i, 0] * c + rotation[i, 2])[None, :] + (rotation[i, 1] * c)[:, None]
        for i in range(3)
    ]


def unproject(depth_m: NDArray[np.floating], K: Matrix) -> NDArray[np.float64]:
    """(H, W, 3) camera points of a (H, W) Z-depth image."""
    rows, cols = depth_m.shape
    x = ((np.arange(cols) + 0.5) - K[0, 2]) / K[0, 0]
    y = ((np.arange(rows) + 0.5) - K[1, 2]) / K[1, 1]
    z = depth_m.astype(np.float64)
    return np.stack([x[None] * z, y[:, None] * z, z], axis=-1)


def project(points: NDArray[np.float64], K: Matrix) -> NDArray[np.float64]:
    """(..., 2) pixel coordinates of (..., 3) camera points; NaN behind the camera."""
    z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
    return np.stack(
        [
            K[0, 0] * points[..., 0] / z + K[0, 2],
            K[1, 1] * points[..., 1] / z + K[1, 2],
        ],
        axis=-1,
    )


def invert(pose: Matrix) -> Matrix:
    """Inverse of a rigid 4x4."""
    out = np.eye(4)
    out[:3, :3] = pose[:3, :3].T
    out[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return out


def transform(pose: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., 3) points mapped by a 4x4."""
    return np.asarray(points @ pose[:3, :3].T + pose[:3, 3])
