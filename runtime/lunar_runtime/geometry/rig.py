"""What is known of the two cameras beforehand.

Convention: as in `cameras`; `b_from_a` maps points of frame a into frame b.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion, Lens

# A rotation printed with six decimals, as rig files are, is orthonormal to about 1e-6 per entry.
_ROTATION_TOLERANCE = 1e-4

MOST_FOCAL_SIGMA = 0.5  # of a focal length that is anyone's guess

#: Of a rig that tells no other, degrees about each axis: a prior, not a measurement. A star
#: tracker's own error is a tenth of it; gyros that carry its attitude on, and how the camera is
#: mounted, make the rest.
ATTITUDE_SIGMA_DEG = 0.1
MOST_ATTITUDE_SIGMA_DEG = 30.0  # of an up that the ground tells better

#: What becomes of a rig's pose; see `Rig`.
RigPose = Literal["initial", "fixed"]


@dataclass(frozen=True)
class Rig:
    """What is known about the two cameras beforehand; None = not known.

    Attributes:
        left: Intrinsics of the left camera.
        right: Intrinsics of the right camera.
        right_from_left: (4, 4) float64 rigid transform, metres.
        up_left: (3,) float64 unit vector against gravity in the left camera's frame.
        pose: `initial`: the images find the pose, from this start among others, and it must agree
            with the rig's; `fixed`: the rig's is held, and the images must bear it out.
        pose_sigma_deg: Standard deviations of the rig's pose, degrees: of its rotation and of its
            baseline's direction.
        attitude_sigma_deg: Standard deviation of the attitude that `up_left` comes from, degrees,
            about each of two level axes; 0 = it is exact.
        focal_sigma: Standard deviation of the cameras' focal lengths, relative; None = not told.
        distortion_left: Of the left camera's lens; None = a pinhole's.
        distortion_right: Of the right camera's lens.
        body_from_left: (4, 4) float64 rigid transform, metres: where the left camera is in the
            Moon's mean Earth frame (MOON_ME), origin in the centre of mass.
    """

    left: Intrinsics | None = None
    right: Intrinsics | None = None
    right_from_left: NDArray[np.float64] | None = None
    up_left: NDArray[np.float64] | None = None
    pose: RigPose = "initial"
    pose_sigma_deg: tuple[float, float] = (0.02, 0.1)
    focal_sigma: float | None = None
    attitude_sigma_deg: float = ATTITUDE_SIGMA_DEG
    distortion_left: Distortion | None = None
    distortion_right: Distortion | None = None
    body_from_left: NDArray[np.float64] | None = None

    @property
    def lenses(self) -> tuple[Lens | None, Lens | None]:
        """Of both cameras; where the left camera is the right one's too, so is its lens."""
        left = _lens(self.left, self.distortion_left)
        if self.right is None:
            return left, left
        return left, _lens(self.right, self.distortion_right)


def _lens(intrinsics: Intrinsics | None, distortion: Distortion | None) -> Lens | None:
    return None if intrinsics is None or distortion is None else Lens(intrinsics, distortion)


def rigid_transform(name: str, rows: ArrayLike) -> NDArray[np.float64]:
    """(4, 4) of what somebody gave as a pose, its rotation exactly orthonormal.

    Args:
        name: Of the pose, for the errors.
        rows: Four rows of four numbers, metres.

    Raises:
        InputError: They are no rigid transform.
    """
    try:
        transform = np.array(rows, dtype=np.float64)
    except (TypeError, ValueError):
        transform = np.empty(0)
    if transform.shape != (4, 4):
        raise InputError(f"{name} must be a 4 × 4 matrix (metres)")
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


def check_attitude_sigma(sigma_deg: float) -> None:
    """Refuse a standard deviation that is none.

    Raises:
        InputError: It is not from 0 to `MOST_ATTITUDE_SIGMA_DEG`.
    """
    if not 0 <= sigma_deg <= MOST_ATTITUDE_SIGMA_DEG:
        raise InputError(
            f"attitude_sigma_deg {sigma_deg:g} must be degrees about each axis, from 0 to "
            f"{MOST_ATTITUDE_SIGMA_DEG:g}; leave out an up_left that is less sure"
        )
