"""What dense matches say of the cameras, and how surely: pose errors and the focal length.

A fit of thousands of dense matches looks far surer than it is, because neighbours err alike: over
`_SHARED_PX` pixels, whatever the image's size. Variances here are as many times those of
independent matches as there are matches in such a patch.

Convention: a pose is moved by five small numbers, three angles of its rotation (radians, about the
right camera's axes) and two of its direction (radians); see `relative_pose`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.epipolar import (
    Floats,
    MatchedRays,
    RelativePose,
    sampson_distance,
)
from lunar_runtime.refinement.relative_pose import PoseFit, moved, pose_information
from lunar_runtime.refinement.shared_errors import POSE, shared_errors

# Against the true poses of 51 rendered pairs: errors over expected ones, in the median of pairs of
# 256, 512 and 768 px, were 1.24, 0.66 and 0.57 with 49 times the variance in all of them; a patch
# of 32 px holds 114, 28 and 13 of their matches.
_SHARED_PX = 32.0
_STEP = 1e-4  # relative change of the focal length in a numerical derivative
_UNKNOWN = 1e3  # a relative error that says nothing


class CameraEvidence(NamedTuple):
    """The pose's errors, and the focal length that the matches ask for.

    Attributes:
        covariance: (5, 5) of a pose's moves, radians².
        focal_ratio: Best focal length over the one that was used, pose free.
        focal_sigma: Its standard deviation. Large where the camera did not turn: then every focal
            length explains the matches.
    """

    covariance: Floats
    focal_ratio: float
    focal_sigma: float

    @property
    def sigma_deg(self) -> tuple[float, float]:
        """Standard deviations of the rotation's angle and of the baseline's direction."""
        turn, aside = self.covariance[:3, :3], self.covariance[3:, 3:]
        return (
            math.degrees(math.sqrt(float(np.trace(turn)))),
            math.degrees(math.sqrt(float(np.trace(aside)))),
        )


def camera_evidence(
    rays: MatchedRays, fit: PoseFit, told_deg: tuple[float, float] | None = None
) -> CameraEvidence:
    """Errors of a fitted pose, and of the focal length, from the matches it was fitted to.

    Args:
        rays: Dense matches.
        fit: Of them.
        told_deg: Errors of the pose where it was told and not fitted.
    """
    jacobian, weight, residual = pose_information(rays, fit)
    variance = max(1.0, (_SHARED_PX / rays.spacing_px) ** 2) * fit.sigma_px**2
    if told_deg is None:
        covariance = variance * np.linalg.pinv(jacobian.T @ (jacobian * weight[:, None]))
    else:
        turn, aside = (math.radians(sigma) for sigma in told_deg)
        covariance = np.diag([turn**2 / 3] * 3 + [aside**2 / 2] * 2)
    ahead, behind = (_signed_px(rescaled(rays, 1 + step), fit.pose) for step in (_STEP, -_STEP))
    both = np.concatenate([jacobian, ((ahead - behind) / (2 * _STEP))[:, None]], axis=-1)
    A, b = both.T @ (both * weight[:, None]), both.T @ (weight * residual)
    size = np.sqrt(np.maximum(np.diag(A), 1e-30))
    # The ridge is below the rounding of a well-posed fit; without it a pure translation, which
    # leaves the focal length free, has no inverse.
    inverse = np.linalg.inv(A / np.outer(size, size) + 1e-12 * np.eye(6)) / np.outer(size, size)
    ratio = 1 - float(inverse[5] @ b)
    sigma = math.sqrt(variance * float(inverse[5, 5]))
    return CameraEvidence(np.asarray(covariance), ratio, min(sigma, _UNKNOWN))


def rescaled(rays: MatchedRays, ratio: float) -> MatchedRays:
    """The same pixels seen with another focal length."""
    left, right = rays.left.copy(), rays.right.copy()
    left[:, :2] /= ratio
    right[:, :2] /= ratio
    return replace(rays, left=left, right=right, focal_px=rays.focal_px * ratio)


def draw_poses(pose: RelativePose, evidence: CameraEvidence, count: int) -> list[RelativePose]:
    """Poses with the errors of the fit: their covariance is that of the evidence."""
    values, axes = np.linalg.eigh(evidence.covariance)
    root = axes * np.sqrt(np.maximum(values, 0))
    steps = shared_errors(count)[:, POSE] @ root.T
    return [moved(pose, step) for step in steps]


def _signed_px(rays: MatchedRays, pose: RelativePose) -> Floats:
    return np.asarray(sampson_distance(rays.left, rays.right, pose) * rays.focal_px)
