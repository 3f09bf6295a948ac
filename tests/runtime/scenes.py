"""Ground in closed form, seen by two cameras: pairs whose every depth, pose and slope is known.

The ground is a plane with smooth hills. Its brightness is a sum of cosines of the place on it, so
both images are samples of one function, each pixel's by a ray cast to the ground.

Convention: OpenCV axes (x right, y down, z forward), pixel centres at +0.5; the ground is given in
the left camera's frame; `b_from_a` maps points of frame a into frame b. Lengths are metres.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.grid_mapping import GridMapping, PairGrids
from lunar_runtime.geometry.views import CameraEstimate, Pair, View
from numpy.typing import NDArray

Array = NDArray[np.float64]

_COSINES = 150


def rigid(turn: tuple[float, float, float], move: tuple[float, float, float]) -> Array:
    """(4, 4): a turn about an axis, by its length in radians, then a move."""
    transform = np.eye(4)
    transform[:3, :3] = cv2.Rodrigues(np.array(turn, np.float64))[0]
    transform[:3, 3] = move
    return transform


@dataclass(frozen=True)
class Ground:
    """A plane at a distance straight ahead, tilted, with hills on it.

    Attributes:
        distance_m: From the left camera along its z axis.
        tilt_deg: Between the plane's normal and the direction back to the camera.
        azimuth_deg: Where the normal leans: 0 to the image's right, 90 to its bottom.
        relief_m: Height of the hills.
        hill_m: Their wavelength.
        seed: Of the brightness.
    """

    distance_m: float = 1000.0
    tilt_deg: float = 8.0
    azimuth_deg: float = 30.0
    relief_m: float = 25.0
    hill_m: float = 400.0
    seed: int = 0

    @cached_property
    def axes(self) -> Array:
        """(3, 3) rows: two directions along the plane, and its normal towards the camera."""
        tilt, azimuth = np.radians([self.tilt_deg, self.azimuth_deg])
        n = np.array(
            [np.sin(tilt) * np.cos(azimuth), np.sin(tilt) * np.sin(azimuth), -np.cos(tilt)]
        )
        e = np.cross([0.0, 1.0, 0.0], n)
        e /= np.linalg.norm(e)
        return np.stack([e, np.cross(n, e), n])

    @property
    def normal(self) -> Array:
        """(3,) unit, towards the camera: up."""
        return np.asarray(self.axes[2])

    @property
    def height_of_camera_m(self) -> float:
        """Of the left camera above the plane."""
        return -float(self.normal[2]) * self.distance_m

    def hills(self, a: Array, b: Array) -> tuple[Array, Array, Array]:
        """Height above the plane, and its two derivatives, at places on the plane."""
        k = 2 * np.pi / self.hill_m
        height = self.relief_m * np.sin(k * a + 0.4) * np.cos(k * b)
        along_a = self.relief_m * k * np.cos(k * a + 0.4) * np.cos(k * b)
        along_b = -self.relief_m * k * np.sin(k * a + 0.4) * np.sin(k * b)
        return height, along_a, along_b

    def cast(self, origin: Array, directions: Array) -> Array:
        """(..., 3) where rays meet the ground: Newton's method, from the plane."""
        o = self.axes @ (origin - [0.0, 0.0, self.distance_m])
        r = directions @ self.axes.T
        s = -o[2] / r[..., 2]
        for _ in range(12):
            a, b, c = np.moveaxis(o + s[..., None] * r, -1, 0)
            height, along_a, along_b = self.hills(a, b)
            s = s - (c - height) / (r[..., 2] - along_a * r[..., 0] - along_b * r[..., 1])
        return np.asarray(origin + s[..., None] * directions)

    def normals(self, points: Array) -> Array:
        """(..., 3) unit normals, towards the camera, at points on the ground."""
        a, b, _ = np.moveaxis((points - [0.0, 0.0, self.distance_m]) @ self.axes.T, -1, 0)
        _, along_a, along_b = self.hills(a, b)
        normal = np.stack([-along_a, -along_b, np.ones_like(a)], axis=-1) @ self.axes
        return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True))

    def brightness(self, points: Array, finest_m: float) -> NDArray[np.uint8]:
        """Grey levels: cosines of wavelengths from `finest_m` to forty times that."""
        rng = np.random.default_rng(self.seed)
        wavelength = finest_m * 40 ** rng.random(_COSINES)
        direction, phase = 2 * np.pi * rng.random((2, _COSINES))
        k = 2 * np.pi / wavelength
        waves = np.stack([k * np.cos(direction), k * np.sin(direction)]).astype(np.float32)
        place = (points - [0.0, 0.0, self.distance_m]) @ self.axes[:2].T
        angles = place.reshape(-1, 2).astype(np.float32) @ waves + phase.astype(np.float32)
        total = np.cos(angles).sum(axis=-1) / np.sqrt(_COSINES / 2)
        levels = np.clip(np.rint(128 + 40 * total), 0, 255)
        grey: NDArray[np.uint8] = levels.reshape(points.shape[:-1]).astype(np.uint8)
        grey.flags.writeable = False
        return grey


@dataclass(frozen=True, eq=False)
class Scene:
    """Two cameras over a ground. Tests share scenes, so their images cannot be written to.

    Attributes:
        ground: What they see.
        left: Camera, pixels.
        right: Camera, pixels.
        right_from_left: (4, 4) metres.
        height: Of both images, pixels.
        width: Of both images, pixels.
    """

    ground: Ground
    left: Intrinsics
    right: Intrinsics
    right_from_left: Array
    height: int
    width: int

    @property
    def baseline_m(self) -> float:
        """Distance between the cameras."""
        return float(np.linalg.norm(self.right_from_left[:3, 3]))

    @property
    def pose(self) -> RelativePose:
        """Of the right camera, |t| = 1."""
        move = self.right_from_left[:3, 3]
        return RelativePose(self.right_from_left[:3, :3], move / self.baseline_m)

    @cached_property
    def points_left(self) -> Array:
        """(H, W, 3) seen by the left image's pixels, left camera's frame."""
        return self.ground.cast(np.zeros(3), _rays(self.left, self.height, self.width))

    @cached_property
    def points_right(self) -> Array:
        """(H, W, 3) seen by the right image's pixels, left camera's frame."""
        R, t = self.right_from_left[:3, :3], self.right_from_left[:3, 3]
        return self.ground.cast(-R.T @ t, _rays(self.right, self.height, self.width) @ R)

    @property
    def depth_left(self) -> Array:
        """(H, W) Z in the left camera's frame."""
        return np.asarray(self.points_left[..., 2])

    @property
    def depth_right(self) -> Array:
        """(H, W) Z in the right camera's frame."""
        return np.asarray(self.seen_from_right(self.points_right)[..., 2])

    @property
    def inverse_depth(self) -> NDArray[np.float32]:
        """(H, W) baseline / Z of the left view."""
        return (self.baseline_m / self.depth_left).astype(np.float32)

    @property
    def slope_deg(self) -> Array:
        """(H, W) of the left view, from the plane's normal."""
        cosine = self.ground.normals(self.points_left) @ self.ground.normal
        return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))

    def seen_from_right(self, points: Array) -> Array:
        """(..., 3) points of the left camera's frame, in the right one's."""
        return np.asarray(points @ self.right_from_left[:3, :3].T + self.right_from_left[:3, 3])

    def pixels_right(self, points: Array) -> Array:
        """(..., 2) right pixels of points of the left camera's frame."""
        pixel = self.seen_from_right(points) @ self.right.matrix().T
        return np.asarray(pixel[..., :2] / pixel[..., 2:])

    @cached_property
    def grey_left(self) -> NDArray[np.uint8]:
        """(H, W) the left image."""
        return self.ground.brightness(self.points_left, self._finest_m)

    @cached_property
    def grey_right(self) -> NDArray[np.uint8]:
        """(H, W) the right image."""
        return self.ground.brightness(self.points_right, self._finest_m)

    @property
    def _finest_m(self) -> float:
        return 4 * self.ground.distance_m / self.left.fx  # four pixels: no image aliases

    def views(self) -> Pair:
        """Images and true cameras, as the refinement takes them."""
        return Pair(
            View(self.grey_left, CameraEstimate(self.left, "truth")),
            View(self.grey_right, CameraEstimate(self.right, "truth")),
        )

    def outputs(self, unit_m: float = 1000.0) -> dict[str, NDArray[np.float32]]:
        """What a network without error says of the pair, on its grid, in units of its own."""
        confidence = np.full((1, self.height, self.width), 3, np.float32)
        return {
            "pointmap_left": (self.points_left[None] / unit_m).astype(np.float32),
            "confidence_left": confidence,
            "pointmap_right": (self.points_right[None] / unit_m).astype(np.float32),
            "confidence_right": confidence.copy(),
        }

    def grid(self, side: int | None = None) -> PairGrids:
        """Of both images onto themselves, or onto squares of another side."""
        whole = GridMapping.whole(self.height, self.width)
        whole = whole if side is None else whole.with_grid(side, side)
        return PairGrids(whole, whole)

    def rays(self, count: int = 300, seed: int = 0, noise_px: float = 0.0) -> MatchedRays:
        """Matches of random ground points that both images show, with Gaussian noise."""
        rng = np.random.default_rng(seed)
        points = self.points_left.reshape(-1, 3)
        pixel = self.pixels_right(points)
        shown = np.flatnonzero(((pixel > 0) & (pixel < [self.width, self.height])).all(axis=-1))
        chosen = rng.choice(shown, count, replace=False)
        left = points[chosen, :2] / points[chosen, 2:] * [self.left.fx, self.left.fy]
        left += [self.left.cx, self.left.cy]
        noise = rng.normal(0, noise_px, (2, count, 2))
        return MatchedRays.of(self.views(), left + noise[0], pixel[chosen] + noise[1])


@lru_cache
def two_cameras(
    ground: Ground,
    centre_m: tuple[float, float, float] = (250.0, 20.0, -15.0),
    *,
    roll: float = 0.1,
    size: int = 128,
    focal: float = 1.1,
) -> Scene:
    """A left camera, and one of the same kind that looks at the same ground from elsewhere.

    Args:
        ground: What both see.
        centre_m: Of the right camera, in the left one's frame.
        roll: Of the right camera about its own axis, radians.
        size: Of the images' sides, pixels.
        focal: Focal length over the image's side.
    """
    forward = np.array([0.0, 0.0, ground.distance_m]) - centre_m
    forward /= np.linalg.norm(forward)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    R = np.stack([right, np.cross(forward, right), forward])
    transform = rigid((0.0, 0.0, roll), (0.0, 0.0, 0.0))
    transform[:3, :3] = transform[:3, :3] @ R
    transform[:3, 3] = -transform[:3, :3] @ centre_m
    camera = Intrinsics(focal * size, focal * size, size / 2, size / 2)
    return Scene(ground, camera, camera, transform, size, size)


def hilly_scene(size: int = 128) -> Scene:
    """Hills of 25 m, 1 km below two cameras that are 250 m apart."""
    return two_cameras(Ground(), size=size)


def flat_scene(size: int = 128) -> Scene:
    """The same without hills."""
    return two_cameras(Ground(relief_m=0.0), size=size)


def _rays(camera: Intrinsics, height: int, width: int) -> Array:
    """(H, W, 3) float64; `pixel_rays` is what some tests test."""
    x = (np.arange(width) + 0.5 - camera.cx) / camera.fx
    y = (np.arange(height) + 0.5 - camera.cy) / camera.fy
    return np.stack([*np.meshgrid(x, y), np.ones((height, width))], axis=-1)
