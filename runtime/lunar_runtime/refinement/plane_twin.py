"""The other pose that nearly plane ground allows.

Matches on a plane obey a homography, R + t nᵀ, and two poses with two planes give the same one
(Longuet-Higgins 1986; Ma, Soatto, Kosecka and Sastry 2004, section 5.3). Relief tells them apart,
but from orbit it is a few percent of the depth: a search of random samples ends at either.
"""

from __future__ import annotations

import cv2
import numpy as np

from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.least_squares import robust_fit
from lunar_runtime.geometry.robust import middle
from lunar_runtime.refinement.relative_pose import (
    IN_FRONT,
    PoseFit,
    alike,
    fit_pose,
    in_front,
    on_lines,
)

#: Of the median distances from epipolar lines, the twin's over the pose's: below, it may be either.
#: Of 166 right poses whose twin has the ground in front of both cameras, three have 1.02 to 1.10,
#: two 1.10 and 1.14, the others 1.18 and more.
LEAST_RIVAL = 1.1

_LEAST_MATCHES = 12  # near their epipolar lines, for a plane
_COMPARED = 1500  # matches tell two poses apart
_ITERATIONS = 15


def plane_twins(rays: MatchedRays, pose: RelativePose) -> list[RelativePose]:
    """Poses that see the matches' best plane as `pose` does.

    Args:
        rays: Of the matches.
        pose: The right camera's.

    Returns:
        Mostly one. None where the camera moves along the plane's normal.
    """
    near = on_lines(rays, pose)
    with np.errstate(divide="ignore", invalid="ignore"):
        depths = near.inverse_depth(pose)
    known = np.isfinite(depths)  # not of a match in the very direction of the way
    near, depths = near.where(known), depths[known]
    if len(near) < _LEAST_MATCHES:
        return []
    plane = robust_fit(near.left.T, depths)
    H = pose.R + np.outer(pose.t, plane)
    _, turns, ways, planes = cv2.decomposeHomographyMat(H, np.eye(3))
    twins = []
    for R, t, normal in zip(turns, ways, planes, strict=True):
        length = float(np.linalg.norm(t))
        if not length > 0 or middle(near.left @ normal.ravel()) <= 0:
            continue  # no way at all, or the plane is behind the camera
        twin = RelativePose(np.asarray(R, np.float64), np.asarray(t, np.float64).ravel() / length)
        if not alike(twin, pose):
            twins.append(twin)
    return twins


def fitted_twins(rays: MatchedRays, fit: PoseFit) -> list[PoseFit]:
    """Fits from those poses that end elsewhere, with the matches before both cameras.

    They are to be compared: of many matches, some are enough for that.

    Args:
        rays: Of the matches.
        fit: Of them.
    """
    thin = max(1, len(rays) // _COMPARED)
    some = rays.where(np.arange(len(rays)) % thin == 0)
    fits = [
        fit_pose(some, twin, iterations=_ITERATIONS, known=[fit.pose])
        for twin in plane_twins(some, fit.pose)
    ]
    return [other for other in fits if not alike(other.pose, fit.pose) and _seen(some, other.pose)]


def _seen(rays: MatchedRays, pose: RelativePose) -> bool:
    return in_front(on_lines(rays, pose), pose) >= IN_FRONT
