"""What a pair of frames promises before it is computed: parallax and overlap.

Where both poses and the ground's plane are known these are geometry. Else sparse matches of the two
images give a pose, and the plane through what they meet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.files.images import grey_from_array
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.plane import Plane, fit_plane
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from lunar_runtime.refinement.acceptance import NoParallaxError
from lunar_runtime.refinement.first_pose import find_first_pose
from lunar_runtime.stream.frames import Frame

_RAYS = 16  # of a view along a side
_HALVED_FROM_PX = 512  # of the shorter side: smaller images have too few features at half of it


@dataclass(frozen=True)
class Outlook:
    """What a pair promises.

    Attributes:
        parallax_deg: Median angle under which the ground that both see has their baseline.
        overlap: Of the newer view, what the other sees too.
        source: `poses` or `matches`.
    """

    parallax_deg: float
    overlap: float
    source: str


@dataclass(frozen=True)
class Ground:
    """A plane of the world: the points p with normal · p = offset.

    Attributes:
        normal: (3,) float64 unit vector, upwards.
        offset: Metres.
    """

    normal: NDArray[np.float64]
    offset: float

    def seen_from(self, world_from_camera: NDArray[np.float64]) -> Plane:
        """The plane in a camera's frame."""
        R, centre = world_from_camera[:3, :3], world_from_camera[:3, 3]
        return Plane(R.T @ self.normal, self.offset - float(self.normal @ centre))


def ground_of(plane: Plane, world_from_camera: NDArray[np.float64]) -> Ground:
    """A plane of a camera's frame in the world."""
    normal = world_from_camera[:3, :3] @ plane.normal
    return Ground(normal, plane.offset + float(normal @ world_from_camera[:3, 3]))


def ground_below(
    world_from_camera: NDArray[np.float64], altitude_m: float, up: NDArray[np.float64]
) -> Ground:
    """Level ground so far below a camera."""
    return Ground(up, float(up @ world_from_camera[:3, 3]) - altitude_m)


def outlook_by_poses(
    newer: NDArray[np.float64],
    other: NDArray[np.float64],
    ground: Ground,
    camera: Intrinsics,
    size: tuple[int, int],
) -> Outlook | None:
    """From the poses of two frames, `world_from_camera`, and the ground.

    Args:
        newer: Pose of the frame whose view counts.
        other: Pose of the other one.
        ground: That they look at.
        camera: Of both, pixels of the images as given.
        size: Width and height of the images as given.

    Returns:
        None where the newer frame does not look at the ground.
    """
    return _through_plane(
        np.linalg.inv(other) @ newer, ground.seen_from(newer), camera, size, "poses"
    )


def outlook_by_matches(newer: Frame, other: Frame, camera: Intrinsics) -> Outlook | None:
    """From the images alone; None where they settle no pose, as where they share too little."""
    try:
        pair = Pair(_view(newer, camera), _view(other, camera))
        halved = min(pair.left.shape) >= _HALVED_FROM_PX
        found = find_first_pose(pair, None, None, halved=halved)
    except NoParallaxError:  # which many matches showed
        return Outlook(0.0, 1.0, "matches")
    except InputError:
        return None
    pose, rays = found.poses[0], found.inliers
    near = rays.inverse_depth(pose)
    seen = near > 1e-6
    points = rays.left[seen] / near[seen, None]
    try:
        plane = fit_plane(points)
    except InputError:
        return None
    size = (newer.values.shape[1], newer.values.shape[0])
    return _through_plane(pose.matrix(1.0), plane, camera, size, "matches")


def _view(frame: Frame, camera: Intrinsics) -> View:
    image = grey_from_array(frame.values)
    return View(image.pixels, CameraEstimate(camera, "rig"), image.valid)


def _through_plane(
    other_from_newer: NDArray[np.float64],
    plane: Plane,
    camera: Intrinsics,
    size: tuple[int, int],
    source: str,
) -> Outlook | None:
    width, height = size
    small = camera.scaled(_RAYS / width, _RAYS / height)
    rays = pixel_rays(small, _RAYS, _RAYS).reshape(-1, 3).astype(np.float64)
    facing = rays @ plane.normal
    hits = facing < 0
    if not hits.any():
        return None
    points = rays[hits] * (plane.offset / facing[hits])[:, None]
    seen = points @ other_from_newer[:3, :3].T + other_from_newer[:3, 3]
    z = np.where(seen[:, 2] > 0, seen[:, 2], np.nan)
    x, y = camera.fx * seen[:, 0] / z + camera.cx, camera.fy * seen[:, 1] / z + camera.cy
    inside = (x > 0) & (x < width) & (y > 0) & (y < height)
    if not inside.any():
        return Outlook(0.0, 0.0, source)
    away = points[inside] + other_from_newer[:3, :3].T @ other_from_newer[:3, 3]
    cosine = np.sum(points[inside] * away, axis=-1) / (
        np.linalg.norm(points[inside], axis=-1) * np.linalg.norm(away, axis=-1)
    )
    angle = math.degrees(float(np.median(np.arccos(np.clip(cosine, -1, 1)))))
    return Outlook(angle, float(np.count_nonzero(inside)) / len(rays), source)
