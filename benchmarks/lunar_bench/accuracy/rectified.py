"""A pair rectified with its true pose and ground plane: what window matchers need.

What a careful engineer does without a network, given the cameras. What it takes on this imagery,
and what each part was worth on the StereoLunar samples (median AbsRel; all of it: 0.04-0.29 %):

- the ground's plane is taken out of the disparities: over an oblique view they span hundreds of
  pixels, over the relief alone a few dozen;
- matches with what lies outside the other image are refused: the black there matches itself, and
  a few per cent of such points turn the similarity alignment by more than the relief (1-5 %);
- brightness is normalised locally: two views of dark ground differ by more than its texture;
- matching at twice the resolution: SGBM's disparities come in sixteenths of a pixel, and at a
  baseline of a twentieth of the distance 0.15 px are half a per cent.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime.geometry.cameras import pixel_rays
from lunar_runtime.geometry.plane import fit_plane
from numpy.typing import NDArray

_CANVAS = 1.5  # sides of the rectified images over the given ones: the views are rolled in them
_BLOCK_PX = 11  # rectified pixels: what a matcher looks at must lie inside
_LOCAL_PX = 12.0  # standard deviation of the neighbourhood that brightness is normalised in
_CONTRAST = 48.0  # grey values of one standard deviation there


@dataclass(frozen=True)
class RectifiedPair:
    """Both images turned so that x lies along the baseline and z between the optical axes.

    The right one is then sheared along x so that the ground's plane has no disparity. What is left
    to match is the relief.

    Attributes:
        left: (h, w) uint8, brightness normalised.
        right: (h, w) uint8.
        left_seen: (h, w) uint8, 1 where a whole block lies inside the left image.
        right_seen: (h, w) uint8.
        finer: Rectified pixels per image pixel.
    """

    left: NDArray[np.uint8]
    right: NDArray[np.uint8]
    left_seen: NDArray[np.uint8]
    right_seen: NDArray[np.uint8]
    finer: int
    _pair: KnownPair
    _turn: NDArray[np.float64]
    _K: NDArray[np.float64]
    _shear: NDArray[np.float64]

    @classmethod
    def of(cls, pair: KnownPair, finer: int) -> RectifiedPair:
        """Rectify a pair.

        Args:
            pair: Its `right_from_left` is used, and of its depth the plane.
            finer: Rectified pixels per image pixel.
        """
        width = pair.left.shape[1]
        R, t = pair.right_from_left[:3, :3], pair.right_from_left[:3, 3]
        centre = -R.T @ t  # of the right camera, left frame
        baseline_m = float(np.linalg.norm(centre))
        turn = _between(centre / baseline_m, R)  # rectified from left
        focal = pair.camera_left.fx * finer
        size = round(width * _CANVAS * finer), round(pair.left.shape[0] * _CANVAS * finer)

        points = true_pointmap(pair.depth, pair.camera_left).reshape(-1, 3)
        points = points[np.isfinite(points).all(axis=-1)] @ turn.T
        aim = np.median(points[:, :2] / points[:, 2:], axis=0)
        cx, cy = np.array(size) / 2 - focal * aim
        K = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1.0]])
        plane = fit_plane(points)
        # Disparity of a ray (x, y, 1) over focal.
        a, b, c = baseline_m * plane.normal / plane.offset
        # From the sheared right image, where the plane's points have their left pixels, to the
        # pixels where the right camera sees them.
        shear = np.array([[1 - a, -b, a * cx + b * cy - c * focal], [0, 1, 0], [0, 0, 1.0]])
        left, left_seen = _rectified(pair.left, K @ turn, pair.camera_left.matrix(), size)
        to_right = np.linalg.inv(shear) @ K @ turn @ R.T
        right, right_seen = _rectified(pair.right, to_right, pair.camera_right.matrix(), size)
        return cls(left, right, left_seen, right_seen, finer, pair, turn, K, shear)

    def points(self, relief: NDArray[np.float32]) -> NDArray[np.float64]:
        """Triangulate disparities.

        Args:
            relief: (h, w) disparity beyond the plane's, rectified pixels; NaN = none.

        Returns:
            (H, W, 3) metres on the left image's pixels, left camera's frame; NaN = no match.
        """
        pair, turn, shear = self._pair, self._turn, self._shear
        columns, rows = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in relief.shape[::-1]))
        matched = cv2.remap(
            self.right_seen, columns - np.nan_to_num(relief), rows, cv2.INTER_NEAREST
        )
        relief = np.where((self.left_seen == 0) | (matched == 0), np.float32(np.nan), relief)
        rays = pixel_rays(pair.camera_left, *pair.left.shape).astype(np.float64) @ turn.T
        seen = rays @ self._K.T
        x, y = seen[..., 0] / seen[..., 2], seen[..., 1] / seen[..., 2]
        where = (x - 0.5).astype(np.float32), (y - 0.5).astype(np.float32)
        at_pixel = cv2.remap(
            relief, *where, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"),
        )  # fmt: skip
        x_right = shear[0, 0] * (x - at_pixel.astype(np.float64)) + shear[0, 1] * y + shear[0, 2]
        baseline_m = float(np.linalg.norm(pair.right_from_left[:3, 3]))
        with np.errstate(divide="ignore"):
            z = self._K[0, 0] * baseline_m / (x - x_right)
        z = np.where(z > 0, z, np.nan)
        along: NDArray[np.float64] = (rays / rays[..., 2:]) * z[..., None] @ turn
        return along


def _between(x_axis: NDArray[np.float64], R: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) rotation to x along the baseline, z between the two optical axes."""
    ahead = np.array([0, 0, 1.0]) + R[2]
    z_axis = ahead - (ahead @ x_axis) * x_axis
    z_axis /= np.linalg.norm(z_axis)
    return np.stack([x_axis, np.cross(z_axis, x_axis), z_axis])


def _rectified(
    image: NDArray[np.uint8],
    rectified_from_ray: NDArray[np.float64],
    K: NDArray[np.float64],
    size: tuple[int, int],
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The normalised image on the rectified canvas, and where a whole block lies inside it."""
    H = _TO_CENTRES @ rectified_from_ray @ np.linalg.inv(_TO_CENTRES @ K)
    grey = _normalised(image)
    warped = cv2.warpPerspective(grey, H, size, flags=cv2.INTER_CUBIC)
    inside = np.full(image.shape, 1, np.uint8)
    seen = cv2.warpPerspective(inside, H, size, flags=cv2.INTER_NEAREST)
    block = np.ones((_BLOCK_PX + 2, _BLOCK_PX + 2), np.uint8)
    return np.asarray(warped, np.uint8), np.asarray(cv2.erode(seen, block), np.uint8)


def _normalised(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    grey = image.astype(np.float32)
    grey -= cv2.GaussianBlur(grey, (0, 0), _LOCAL_PX)
    spread = np.sqrt(cv2.GaussianBlur(grey**2, (0, 0), _LOCAL_PX) + 1)  # + 1: quantisation
    return np.clip(128 + _CONTRAST * grey / spread, 0, 255).astype(np.uint8)


# OpenCV's warps put the top-left pixel's centre at (0, 0), cameras here at (0.5, 0.5).
_TO_CENTRES = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1.0]])
