"""A tilted plane seen by two known cameras: what a network must give of it, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from numpy.typing import NDArray

from .images import SIZE

#: The outputs of a network, by name.
Outputs = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class PlaneScene:
    """A plane n·p = offset (network units) seen by two cameras of the same intrinsics."""

    intrinsics: Intrinsics
    normal: NDArray[np.float64]  # (3,) unit, towards the cameras, left camera's frame
    offset: float
    right_from_left: NDArray[np.float64]  # (4, 4)
    metres_per_unit: float

    @property
    def baseline_m(self) -> float:
        return float(np.linalg.norm(self.right_from_left[:3, 3])) * self.metres_per_unit

    @property
    def altitude_m(self) -> float:
        return -self.offset * self.metres_per_unit

    def pointmap_left(self) -> NDArray[np.float64]:
        rays = pixel_rays(self.intrinsics, SIZE, SIZE).astype(np.float64)
        return np.asarray(rays * (self.offset / (rays @ self.normal))[..., None])

    def pointmap_right(self) -> NDArray[np.float64]:
        """In the left camera's frame."""
        R, t = self.right_from_left[:3, :3], self.right_from_left[:3, 3]
        rays = pixel_rays(self.intrinsics, SIZE, SIZE).astype(np.float64) @ R  # Rᵀ r
        centre = -R.T @ t
        along = (self.offset - self.normal @ centre) / (rays @ self.normal)
        return np.asarray(centre + rays * along[..., None])

    def depth_right(self) -> NDArray[np.float64]:
        R, t = self.right_from_left[:3, :3], self.right_from_left[:3, 3]
        return np.asarray((self.pointmap_right() @ R.T + t)[..., 2])


TILT_DEG = 12.0


def plane_scene() -> PlaneScene:
    tilt = np.radians(TILT_DEG)
    right_from_left = np.eye(4)
    right_from_left[:3, :3] = cv2.Rodrigues(np.array([0.02, -0.06, 0.1]))[0]
    right_from_left[:3, 3] = [-0.6, 0.1, 0.05]
    return PlaneScene(
        intrinsics=Intrinsics(80.0, 80.0, 32.0, 32.0),
        normal=np.array([np.sin(tilt), 0.0, -np.cos(tilt)]),
        offset=-5.0,
        right_from_left=right_from_left,
        metres_per_unit=1000.0,
    )


def plane_outputs(scene: PlaneScene, output_set: OutputSet) -> Outputs:
    """The constant part of every output, with the batch axis, float32."""
    maps = {"pointmap_left": scene.pointmap_left(), "pointmap_right": scene.pointmap_right()}
    constants: Outputs = {}
    for name in OUTPUT_NAMES[output_set]:
        if name in maps:
            constants[name] = maps[name][None].astype(np.float32)
        elif name.startswith("descriptors"):
            constants[name] = np.full((1, SIZE, SIZE, 24), 24**-0.5, np.float32)
        else:
            constants[name] = np.ones((1, SIZE, SIZE), np.float32)
    return constants
