"""Two views of known cameras: epipolar distances, and where a pixel of given depth is seen.

Convention: OpenCV axes; `right_from_left` = (R, t) with |t| = 1, so lengths are in baselines and an
*inverse depth* is baseline / Z. A ray is (x, y, 1), the pixel's direction at Z = 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.fields import Field
from lunar_runtime.geometry.views import Pair
from lunar_runtime.kernels.library import run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RelativePose:
    """Where the right camera stands: X_right = R · X_left + t, |t| = 1."""

    R: Floats
    t: Floats

    def inverse(self) -> RelativePose:
        """The left camera's pose as the right one sees it."""
        return RelativePose(self.R.T, -self.R.T @ self.t)

    def matrix(self, baseline: float = 1.0) -> Floats:
        """(4, 4) right_from_left, in the baseline's unit."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.R
        matrix[:3, 3] = baseline * self.t
        return matrix

    def turned_deg(self, other: RelativePose) -> float:
        """Angle between the two rotations."""
        cosine = (np.trace(self.R @ other.R.T) - 1) / 2
        return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def aside_deg(self, other: RelativePose) -> float:
        """Angle between the two baselines' directions."""
        return float(np.degrees(np.arccos(np.clip(self.t @ other.t, -1, 1))))


def rays_of(pixels: NDArray[Any], intrinsics: Intrinsics) -> Floats:
    """(N, 2) pixels (centre of the top-left one at (0.5, 0.5)) to (N, 3) rays."""
    centre, focal = (intrinsics.cx, intrinsics.cy), (intrinsics.fx, intrinsics.fy)
    xy = (np.asarray(pixels, np.float64).reshape(-1, 2) - centre) / focal
    return np.concatenate([xy, np.ones((len(xy), 1))], axis=-1)


@dataclass(frozen=True)
class MatchedRays:
    """Rays of both cameras to the same points.

    Attributes:
        left: (N, 3).
        right: (N, 3).
        focal_px: Turns distances at Z = 1 into pixels.
        spacing_px: Of neighbours on an even grid, whose errors are alike; ∞ = each has its own.
        focal_sigma: What the told focal lengths may be off by, relative; None = nobody said.
    """

    left: Floats
    right: Floats
    focal_px: float
    spacing_px: float = math.inf
    focal_sigma: float | None = None

    @classmethod
    def of(cls, pair: Pair, left: NDArray[Any], right: NDArray[Any]) -> MatchedRays:
        """Through (N, 2) matched pixels of a pair; distances are in pixels of the left view."""
        camera = pair.left.intrinsics
        return cls(
            rays_of(left, camera),
            rays_of(right, pair.right.intrinsics),
            camera.fx,
            focal_sigma=pair.left.focal_sigma,
        )

    def __len__(self) -> int:
        return len(self.left)

    def where(self, chosen: NDArray[np.bool_]) -> MatchedRays:
        """Those of an (N,) mask."""
        return replace(self, left=self.left[chosen], right=self.right[chosen])

    def distance_px(self, pose: RelativePose) -> Floats:
        """(N,) unsigned `sampson_distance`, in pixels."""
        return np.asarray(np.abs(sampson_distance(self.left, self.right, pose)) * self.focal_px)

    def inverse_depth(self, pose: RelativePose) -> Floats:
        """(N,) baseline / Z in the left camera's frame; see the function of that name."""
        return inverse_depth(self.left, self.right, pose)


def sampson_distance(left: Floats, right: Floats, pose: RelativePose) -> Floats:
    """First-order distance of two rays from epipolar consistency (Sampson; Hartley-Zisserman 11.4).

    Args:
        left: (N, 3) rays.
        right: (N, 3) rays.
        pose: The right camera's.

    Returns:
        (N,) signed, at Z = 1: times the focal length, pixels.
    """
    E = cross_matrix(pose.t) @ pose.R
    line_right, line_left = E @ left.T, E.T @ right.T  # (3, N): long rows are quicker
    a, b, c = line_right
    x, y, z = right.T
    distance: Floats = x * a + y * b + z * c
    gradient = a * a
    for part in (b, *line_left[:2]):
        gradient += part * part
    distance /= np.sqrt(np.maximum(gradient, 1e-30))
    return distance


def cross_matrix(vector: NDArray[Any]) -> Floats:
    """(3, 3): times w is vector × w."""
    x, y, z = vector
    return np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])


def inverse_depth(left: NDArray[Any], right: NDArray[Any], pose: RelativePose) -> Floats:
    """Triangulate along the left rays: the inverse depth whose right pixel is nearest.

    Args:
        left: (..., 3) rays.
        right: (..., 3) rays of the same points.
        pose: The right camera's.

    Returns:
        (...) baseline / Z; not positive where the rays do not meet in front of the left camera.
    """
    turned = np.asarray(left, np.float64) @ pose.R.T
    right = np.asarray(right, np.float64)
    # right ~ turned + d t: (turned_xy - xy turned_z) + d (t_xy - xy t_z) = 0, by least squares.
    x, y = right[..., 0], right[..., 1]
    along_x, along_y = pose.t[0] - x * pose.t[2], pose.t[1] - y * pose.t[2]
    offset_x = x * turned[..., 2] - turned[..., 0]
    offset_y = y * turned[..., 2] - turned[..., 1]
    result: Floats = offset_x * along_x + offset_y * along_y
    result /= np.maximum(along_x**2 + along_y**2, 1e-30)
    return result


class EpipolarField:
    """For every pixel of the left image, its pixel in the right one as the depth varies.

    Args:
        left: Camera of the left image, pixels.
        right: Camera of the right image, pixels.
        pose: Of the right camera.
        height: Of the left image, pixels.
        width: Of the left image, pixels.
    """

    def __init__(
        self,
        left: Intrinsics,
        right: Intrinsics,
        pose: RelativePose,
        height: int,
        width: int,
    ) -> None:
        self._left, self._shape = left, (height, width)
        K = right.matrix()
        x, y = pixel_rays(left, 1, width)[..., 0], pixel_rays(left, height, 1)[..., 1]
        # By a ray's x, y and 1 the homogeneous pixel at infinity; the epipole, at depth zero.
        camera = np.concatenate([K @ pose.R, (K @ pose.t)[:, None]], axis=1)
        self._camera = tuple(np.ascontiguousarray(one, np.float32) for one in (camera, x, y))

    @classmethod
    def of(cls, pair: Pair, pose: RelativePose) -> EpipolarField:
        """Of a pair whose right camera has this pose."""
        return cls(pair.left.intrinsics, pair.right.intrinsics, pose, *pair.left.shape)

    @property
    def rays(self) -> NDArray[np.float32]:
        """(H, W, 3) of the left pixels; see `pixel_rays`."""
        return pixel_rays(self._left, *self._shape)

    def project(self, inverse_depth: Field) -> tuple[Field, Field]:
        """(H, W) baseline / Z to right pixels (u, v); NaN behind the right camera."""
        u, v = (np.empty(self._shape, np.float32) for _ in range(2))
        run("project", *self._camera, self._whole(inverse_depth), *self._shape, u, v)
        return u, v

    def motion(self, inverse_depth: Field) -> tuple[Field, Field]:
        """∂u, ∂v by the inverse depth, at a depth; NaN behind the right camera."""
        return self.follow(inverse_depth)[2:]

    def follow(self, inverse_depth: Field) -> tuple[Field, Field, Field, Field]:
        """What `project` and `motion` give, in one."""
        u, v, du, dv = (np.empty(self._shape, np.float32) for _ in range(4))
        depth = self._whole(inverse_depth)
        run("follow", *self._camera, depth, *self._shape, u, v, du, dv)
        return u, v, du, dv

    def triangulate(self, u: Field, v: Field) -> Field:
        """Right pixels to inverse depth; see `inverse_depth`."""
        d = np.empty(self._shape, np.float32)
        run("triangulate", *self._camera, self._whole(u), self._whole(v), *self._shape, d)
        return d

    def _whole(self, values: Field) -> Field:
        """(H, W) as a kernel takes it."""
        return np.ascontiguousarray(np.broadcast_to(values, self._shape), np.float32)
