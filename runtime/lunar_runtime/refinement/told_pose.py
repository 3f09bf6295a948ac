"""A pose that a rig tells, and the images: the pose that both bear out, and whether there is one.

Where the images alone find another pose, that is no contradiction yet. In a narrow field poses that
are degrees apart explain the matches alike. So the matches are fitted again from the rig's pose,
held to it by its errors; what that fit loses against the free one is the contradiction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose
from lunar_runtime.geometry.least_squares import normal_equations
from lunar_runtime.refinement.camera_evidence import told_errors
from lunar_runtime.refinement.fitted_matches import shared_by
from lunar_runtime.refinement.pose_residuals import shared_share
from lunar_runtime.refinement.relative_pose import (
    PoseFit,
    influence,
    width_of,
)
from lunar_runtime.refinement.sampson import Sampson, moved, step_between
from lunar_runtime.refinement.surface import GivenPose

_STEPS = 12
_TRIES = 6
_SETTLED = 1e-3  # of a squared standard deviation
# In standard deviations: right rigs are within 1.8. Directions told 22 to 27 degrees off, with an
# error of 16, ended at 17 from the told pose, and agree from the images' own.
_FAR = 3.0

#: Standard deviations of all five moves together up to which a rig and the images agree. A right
#: rig is within 1.8 (34 pairs). With a principal point 10 px off all but one are beyond, with a
#: focal length 5 % off all but three.
AGREED = 4.0
#: The same, up to which the cameras count as they are told. Beyond, they are taken to err a little,
#: and errors are as wide. Right rigs are within 2.1 but for one of 72, which is at 3.3 and well
#: within its errors. A right camera zoomed by 0.2 % had its rig at 2.2 and 3.6, and depths were 5
#: to 6 of the errors off that it would have as told.
AS_TOLD = 2.1


class Agreement(NamedTuple):
    """The pose that the images and the rig bear out together.

    Attributes:
        pose: Of the right camera.
        covariance: (5, 5) of its moves, radians².
        apart: How far the two disagree, in standard deviations of all five moves together.
    """

    pose: RelativePose
    covariance: Floats
    apart: float


def agree(rays: MatchedRays, free: PoseFit, given: GivenPose) -> Agreement:
    """Fit a pose to matches and to what a rig says of it.

    Args:
        rays: Dense matches.
        free: Their own pose, and what it leaves.
        given: The start, and what the pose is held to.
    """
    sampson = Sampson(rays)
    width = width_of(free.sigma_px)
    variance = shared_by(rays) * free.sigma_px**2 * free.unsettled
    prior = np.linalg.inv(given.covariance)

    def misses(pose: RelativePose) -> float:
        square = sampson.distance_px(pose) ** 2
        return float(np.sum(square / (1 + square / width**2))) / variance

    def total(pose: RelativePose) -> float:
        step = step_between(pose, given.pose)
        return misses(pose) + float(step @ prior @ step)

    def settled(start: RelativePose) -> tuple[RelativePose, float]:
        pose, cost, damping = start, total(start), 1e-3
        for _ in range(_STEPS):
            A, b = _normal_equations(sampson, pose, width, variance)
            A, b = A + prior, b + prior @ step_between(pose, given.pose)
            for _ in range(_TRIES):
                step = np.linalg.solve(A + damping * np.diag(np.diag(A)), b)
                candidate = moved(pose, np.asarray(step, np.float64))
                lower = total(candidate)
                if lower < cost:
                    break
                damping *= 10
            else:
                break
            gained, pose, cost = cost - lower, candidate, lower
            damping = max(damping / 10, 1e-9)
            if gained < _SETTLED:
                break
        return pose, cost

    pose, cost = settled(given.pose)
    if cost - misses(free.pose) > _FAR**2:  # a told direction far off may end beside the way
        pose, cost = min((pose, cost), settled(free.pose), key=lambda end: end[1])
    A, _ = _normal_equations(sampson, pose, width, variance)
    apart = math.sqrt(max(cost - misses(free.pose), 0.0))
    # Weighed as they were, but erring as they do.
    share = shared_share(rays, sampson.distance_px(free.pose), free.sigma_px)
    together = np.linalg.inv(A + prior)
    return Agreement(pose, together @ (share * A + prior) @ together, apart)


def loosened(rays: MatchedRays, free: PoseFit, given: GivenPose) -> GivenPose:
    """What a rig says of the pose that its cameras' images have, if its cameras err a little.

    Through a camera that is told 0.05 % too long, flat ground from straight above has the baseline
    half a degree elsewhere.

    Args:
        rays: Dense matches.
        free: Their own pose.
        given: As the rig tells it.
    """
    return given._replace(by_cameras=told_errors(rays, free))


def _normal_equations(
    sampson: Sampson, pose: RelativePose, width: float, variance: float
) -> tuple[Floats, Floats]:
    J, residual = sampson.derivative_px(pose), sampson.distance_px(pose)
    weight = influence(residual, width) / variance
    information, pull = normal_equations(J.T, residual, weight)
    return information, -pull
