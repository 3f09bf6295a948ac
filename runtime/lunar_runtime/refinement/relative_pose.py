"""The right camera's pose from matched points: MAGSAC starts, then a robust fit of all matches.

On ground that is nearly a plane, two poses explain the matches almost equally well, and a coarse
inlier threshold cannot tell them apart. So two thresholds, down to 0.3 px, give the starts, and
where they explain too few matches so do baselines of every direction across the view. Each is
fitted to the Sampson distances under a cost that forgets outliers (Geman-McClure); of those that
put their inliers before both cameras the lowest cost wins, and what comes close to it is kept for
the dense matches to decide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from lunar_runtime.errors import is_out_of_memory
from lunar_runtime.geometry.at_once import at_once
from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose
from lunar_runtime.kernels.library import run
from lunar_runtime.refinement.pose_residuals import turn_between
from lunar_runtime.refinement.sampson import Sampson, sides

_THRESHOLDS_PX = (0.3, 1.2)  # 0.15 and 0.6 as well: as far off in the median of 36 pairs
_WIDTH_PX = 0.2  # of the robust cost: features are localised to 0.1-0.2 px
_FINEST_PX = 0.02  # below this, residuals are interpolation's
_WIDTH_PER_SIGMA = 2.385  # 95 % efficiency of the Cauchy weight, whose square is used
# Of the inliers must lie before both cameras. Of a true pose all do; of the false ones that explain
# matches on a strip of nearly plane ground, 0.3-0.75 did.
IN_FRONT = 0.9
_ON_LINE_PX = 1.0
_EXPLAINED = 0.5  # of the matches: with less, the starts are in doubt
_DIRECTIONS = 6  # of the baseline, half a turn across the view
_DIRECTION_PX = 1.0  # width of the cost from such a start
_AS_GOOD = 1.15  # a cost within 15 % of the best is not told apart by a few hundred matches
_DISTINCT_DEG = 0.5
_ASIDE_DEG = 3.0  # between baselines of starts that end in the same place
# Of both angles: a fit on its way that is so near to another one ends there.
_THE_SAME = 0.1
_MAGSAC_ITERATIONS = 3000
_TELL_SIDES = 200  # matches tell which of four poses has them in front


@dataclass(frozen=True)
class PoseFit:
    """A pose and how well matches support it.

    Attributes:
        pose: The right camera's.
        cost: Geman-McClure sum over the matches, in matches: each outlier costs one.
        sigma_px: Robust standard deviation of the Sampson distances.
        unsettled: How many times more the variance of the matches is than these distances show, as
            other matches of the same images had it.
    """

    pose: RelativePose
    cost: float
    sigma_px: float
    unsettled: float = 1.0


def start_poses(rays: MatchedRays) -> list[RelativePose]:
    """Poses that MAGSAC finds at several thresholds; the same input gives the same poses."""
    left, right = rays.left[:, :2], rays.right[:, :2]
    thin = max(1, len(left) // _TELL_SIDES)

    def start(threshold: float) -> RelativePose | None:
        cv2.setRNGSeed(0)  # of this thread
        try:
            E, _ = cv2.findEssentialMat(
                left, right, np.eye(3), method=cv2.USAC_MAGSAC, prob=0.9999,
                threshold=threshold / rays.focal_px, maxIters=_MAGSAC_ITERATIONS,
            )  # fmt: skip
        except cv2.error as error:
            if is_out_of_memory(error):
                raise
            return None
        if E is None or E.shape != (3, 3):
            return None
        _, R, t, _ = cv2.recoverPose(E, left[::thin], right[::thin], np.eye(3))
        return RelativePose(np.asarray(R, np.float64), np.asarray(t, np.float64).ravel())

    return [pose for pose in at_once(start, _THRESHOLDS_PX) if pose is not None]


def best_poses(
    rays: MatchedRays, starts: list[RelativePose], known: Sequence[PoseFit] = ()
) -> list[PoseFit]:
    """Fit every start to the matches; the best first, then distinct ones that are as good.

    Args:
        rays: Of the matches.
        starts: Where to start.
        known: Fits of other starts: what comes to one of them would end there, too.

    Returns:
        Empty where no start puts the matches before both cameras, and comes to no known fit.
    """
    return as_good(_fits_in_front(rays, starts, known))


def as_good(fits: list[PoseFit]) -> list[PoseFit]:
    """The best of some fits first, then distinct ones that are as good."""
    kept: list[PoseFit] = []
    for fit in sorted(fits, key=lambda fit: fit.cost):
        if kept and fit.cost > _AS_GOOD * kept[0].cost:
            break
        if all(fit.pose.turned_deg(other.pose) > _DISTINCT_DEG for other in kept):
            kept.append(fit)
    return kept


def _fits_in_front(
    rays: MatchedRays, starts: list[RelativePose], known: Sequence[PoseFit]
) -> list[PoseFit]:
    fits: list[PoseFit] = []

    def came_to_one(pose: RelativePose) -> bool:
        return any(alike(pose, fit.pose, _THE_SAME) for fit in (*known, *fits))

    for start in starts:
        if any(alike(start, fit.pose) for fit in fits):  # it would end there, too
            continue
        ends = [other.pose for other in (*known, *fits)]
        fit = ahead(rays, fit_pose(rays, start, width_px=_WIDTH_PX, known=ends))
        if came_to_one(fit.pose):
            continue
        if in_front(on_lines(rays, fit.pose), fit.pose) >= IN_FRONT:
            fits.append(fit)
    return fits


def ahead(rays: MatchedRays, fit: PoseFit) -> PoseFit:
    """The same fit; with the baseline the other way where the matches lie behind both cameras.

    Epipolar lines are the same seen backwards, and a fit may end there.
    """
    inliers = on_lines(rays, fit.pose)
    if len(inliers) and in_front(inliers, fit.pose) < 1 - IN_FRONT:
        return replace(fit, pose=RelativePose(fit.pose.R, -fit.pose.t))
    return fit


def alike(one: RelativePose, other: RelativePose, share: float = 1.0) -> bool:
    """Whether two poses are so near each other that fits from them end in the same place.

    Args:
        one: Of the right camera.
        other: Likewise.
        share: Of the angles that starts may be apart.
    """
    if abs(float(one.t @ other.t)) <= math.cos(math.radians(share * _ASIDE_DEG)):
        return False
    return one.turned_deg(other) <= share * _DISTINCT_DEG


def explains(fit: PoseFit, matches: int) -> bool:
    """Whether a pose explains so many of the matches that no other needs to be looked for."""
    return fit.cost <= (1 - _EXPLAINED) * matches


def poses_across(rays: MatchedRays) -> list[RelativePose]:
    """Coarse fits from baselines of every direction across the view.

    They start with the turn that explains the matches best without any baseline.
    """
    R, _ = turn_between(rays, np.eye(3))
    angles = np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    starts = [RelativePose(R, np.array([np.cos(a), np.sin(a), 0.0])) for a in angles]
    return [fit_pose(rays, start, width_px=_DIRECTION_PX, iterations=20).pose for start in starts]


def on_lines(rays: MatchedRays, pose: RelativePose) -> MatchedRays:
    """The matches that bear a pose out: near their epipolar lines."""
    return rays.where(rays.distance_px(pose) < _ON_LINE_PX)


def in_front(rays: MatchedRays, pose: RelativePose) -> float:
    """Share of the matches that meet in front of both cameras; 0 of none."""
    if not len(rays):
        return 0.0
    d = rays.inverse_depth(pose)
    z_right = (rays.left @ pose.R.T + d[:, None] * pose.t)[:, 2]
    return float(np.mean((d > 0) & (z_right > 0)))


def fit_pose(
    rays: MatchedRays,
    start: RelativePose,
    *,
    width_px: float | None = None,
    iterations: int = 50,
    known: Sequence[RelativePose] = (),
) -> PoseFit:
    """Levenberg-Marquardt on the Sampson distances: three angles and two of direction.

    Args:
        rays: Of the matches.
        start: Where to start.
        width_px: Standard deviation of a good match; None = measured anew in every step.
        iterations: At most.
        known: Fits of other starts: a fit that comes to one on its way ends there.
    """
    found, told = np.empty(2), np.concatenate([start.R.ravel(), start.t])
    poses = np.array([(*pose.R.ravel(), *pose.t) for pose in known]).reshape(-1, 12)
    aside, turned = (math.cos(math.radians(_THE_SAME * of)) for of in (_ASIDE_DEG, _DISTINCT_DEG))
    run(
        "fit_pose", *sides(rays), float(rays.focal_px), len(rays), told,
        float(width_px or 0) * _WIDTH_PER_SIGMA, _WIDTH_PER_SIGMA, _FINEST_PX, iterations,
        poses, len(poses), aside, turned, found,
    )  # fmt: skip
    return PoseFit(RelativePose(told[:9].reshape(3, 3), told[9:]), float(found[0]), float(found[1]))


def pose_information(rays: MatchedRays, fit: PoseFit) -> tuple[Floats, Floats, Floats]:
    """What a fit rests on: (N, 5) derivatives, (N,) weights and (N,) signed residuals, pixels."""
    sampson = Sampson(rays)
    residual = sampson.distance_px(fit.pose)
    weight = influence(residual, width_of(fit.sigma_px))
    return sampson.derivative_px(fit.pose), weight, residual


def width_of(sigma_px: float) -> float:
    """Of the robust cost, for matches that are so good."""
    return _WIDTH_PER_SIGMA * sigma_px


def influence(residual: Floats, width: float) -> Floats:
    """Weights of residuals under the robust cost."""
    return np.asarray(1 / (1 + (residual / width) ** 2) ** 2)
