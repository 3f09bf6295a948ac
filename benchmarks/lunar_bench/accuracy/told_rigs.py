"""What is told of a pair's cameras: the truth, or the truth as a calibration tells it.

No camera is known exactly. Numbers that err as told ones are expected to show whether expected
errors contain that; exact ones show what else is in them.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

import cv2
import numpy as np
from lunar_calib.truth.known_pairs import KnownPair
from lunar_runtime import Rig
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.inference.metres import ALTIMETER
from lunar_runtime.refinement.told_numbers import TOLD
from numpy.typing import NDArray

#: Of a rig that err.
NUMBERS = 11


class ToldRig(NamedTuple):
    """What a user tells.

    Attributes:
        rig: Both cameras and the pose, without up.
        altitude: Told over true.
    """

    rig: Rig
    altitude: float

    @property
    def cameras(self) -> Rig:
        """Without the pose."""
        return Rig(self.rig.left, self.rig.right, focal_sigma=self.rig.focal_sigma)


def exact_rig(pair: KnownPair) -> ToldRig:
    """The truth."""
    return ToldRig(_true(pair), 1.0)


def erring_pair(pair: KnownPair) -> ToldRig:
    """`erring_rig` of a pair, drawn by its name."""
    random = np.random.default_rng(zlib.crc32(pair.name.encode()))
    return erring_rig(_true(pair), random.standard_normal(NUMBERS))


def erring_rig(true: Rig, normal: NDArray[np.float64]) -> ToldRig:
    """Off as told numbers are expected to be, and saying so.

    Both focal lengths and principal points alike, the right camera's zoom, the pose by a rig's
    default errors, the altitude. Lenses stay as they are.

    Args:
        true: Both cameras and the pose.
        normal: (`NUMBERS`,) of a normal distribution.
    """
    assert true.left is not None and true.right is not None and true.right_from_left is not None
    longer, zoomed = 1 + TOLD["focal"] * normal[0], 1 + TOLD["zoom"] * normal[1]
    aside = TOLD["centre_x"] * normal[2], TOLD["centre_y"] * normal[3]

    def told(camera: Intrinsics, zoom: float) -> Intrinsics:
        return Intrinsics(
            camera.fx * longer * zoom,
            camera.fy * longer * zoom,
            camera.cx + aside[0] * camera.fx,
            camera.cy + aside[1] * camera.fy,
        )

    rig = Rig(
        told(true.left, 1.0),
        told(true.right, zoomed),
        _moved(true.right_from_left, true.pose_sigma_deg, normal[4:10]),
        focal_sigma=TOLD["focal"],
    )
    return ToldRig(rig, 1 + ALTIMETER * normal[10])


def _true(pair: KnownPair) -> Rig:
    return Rig(pair.camera_left, pair.camera_right, pair.right_from_left)


def _moved(
    pose: NDArray[np.float64], sigma_deg: tuple[float, float], normal: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(4, 4) turned and with its baseline's direction aside, at its length; (6,) normal numbers."""
    turn, aside = np.radians(sigma_deg)
    R, t = pose[:3, :3], pose[:3, 3]
    length = np.linalg.norm(t)
    direction = t / length
    step = aside / np.sqrt(2) * normal[3:]
    direction = direction + step - (step @ direction) * direction
    told = np.array(pose, np.float64)
    told[:3, :3] = cv2.Rodrigues(turn / np.sqrt(3) * normal[:3])[0] @ R
    told[:3, 3] = direction * (length / np.linalg.norm(direction))
    return told
