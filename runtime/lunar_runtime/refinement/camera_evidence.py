"""What dense matches say of the cameras, and how surely: pose errors, focal length, lens, centre.

A wrong camera leaves a pattern in the distances from epipolar lines that no pose takes away. Each
number of the cameras is fitted beside the pose, one at a time: which of them is wrong, matches tell
worse than that one is. What depends on depth alone (a narrow field, a camera that did not turn over
flat ground) they cannot tell; the number's error then says so.

A fit of thousands of dense matches looks far surer than it is, because neighbours err alike: over
a patch, whatever the image's size. Variances here are as many times those of independent matches as
there are matches in such a patch; see `fitted_matches.shared_by`.

Convention: a pose is moved by five small numbers, three angles of its rotation (radians, about the
right camera's axes) and two of its direction (radians); see `relative_pose`. Numbers of the cameras
change both cameras alike, but for the right one's zoom.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from lunar_runtime.geometry.epipolar import Floats, MatchedRays, RelativePose
from lunar_runtime.geometry.least_squares import normal_equations
from lunar_runtime.refinement.fitted_matches import UNKNOWN, FittedMatches
from lunar_runtime.refinement.misfit import CENTRES, FARTHEST, NAMES, Misfit
from lunar_runtime.refinement.pose_residuals import shared_share
from lunar_runtime.refinement.relative_pose import PoseFit
from lunar_runtime.refinement.sampson import moved, step_between
from lunar_runtime.refinement.shared_errors import POSE, shared_errors
from lunar_runtime.refinement.surface import GivenPose
from lunar_runtime.refinement.told_numbers import (
    TOLD,
    CameraNumber,
    changed,
    focal_left_open,
    left_open,
)

# Of the image's farthest radius: a bend by k1 that is told worse than this is none. One clean pair
# of 58 (nadir) asks for k1 -0.9 ± 0.22, which is 0.075 of it; lenses that are there, 0.017 at most.
_TOLD_BEND = 0.03
# Of a pose's errors, those that real depths bear out: with all of them 85 % of the depths in
# StereoLunar's overlaps were within one sigma where a baseline made the metres.
_REAL = 0.8
_MOST_SHARED = 0.5  # of all depths: anyone's guess
# Of its own errors: with the right cameras no number of 83 pairs exceeds 2.3, the lens 3.1. A focal
# length 8 % off came to 3.5, a principal point 34 px off to 3.2, a right camera zoomed by 2.4 % to
# 2.8: the last one missed 19 points more of the hazards. Four film frames of Apollo have a
# lens of -0.02 at 3.8, which their triangulated points do not show.
_SIGMAS: dict[CameraNumber, float] = {
    "focal": 2.9,
    "centre_x": 2.7,
    "centre_y": 2.7,
    "zoom": 2.7,
    "lens": 4.3,
}
# Of the depth in baselines, at nine pixels in ten: below, a wrong number does no harm. A lens of k1
# 0.03 that nobody told bends a surface by 0.0019 and makes all of it 0.004 smaller, five times what
# that pair is expected to be off by.
_LEAST_CHANGE = 0.002


class CameraEvidence(NamedTuple):
    """The pose's errors, and what the matches say of the cameras' numbers.

    Attributes:
        covariance: (5, 5) of a pose's moves, radians², through these cameras.
        focal_ratio: Best focal length over the one that was used, pose free.
        focal_sigma: Its standard deviation. Large where the camera did not turn: then every focal
            length explains the matches.
        misfits: Numbers that are wrong beyond their errors, and by enough to matter; the surest
            first.
        untested: What is left of each number's error as it was told, after the images: its root
            mean square as its change.
        shared: What all depths in baselines may be off by together, as the cameras are.
        erring: Whether the cameras are taken to err for that: as the rig says, or as its pose and
            the images' show. Else they are as told where the images test them.
        held: Whether the pose is the rig's word, and follows no camera.
        rig_apart: How far the rig's pose and the images' are apart, in standard deviations of all
            five moves together; None = no rig tells one.
    """

    covariance: Floats
    focal_ratio: float
    focal_sigma: float
    misfits: tuple[Misfit, ...] = ()
    untested: tuple[Misfit, ...] = ()
    shared: float = 0.0
    erring: bool = False
    held: bool = False
    rig_apart: float | None = None

    @property
    def sigma_deg(self) -> tuple[float, float]:
        """Standard deviations of the rotation's angle and of the baseline's direction.

        Through these cameras: as far as the matches' own distances tell.
        """
        return _angles_deg(self.covariance)

    def real_sigma_deg(self) -> tuple[float, float]:
        """The same of the camera itself: where its numbers are taken to err, with what they do.

        A principal point a thousandth of the focal length aside turns a pose by as much, and no
        distance shows it.
        """
        if self.held or not self.erring:
            return self.sigma_deg
        steps = np.array([one.pose_step for one in self.untested])
        return _angles_deg(self.covariance + steps.T @ steps)


def camera_evidence(
    rays: MatchedRays, fit: PoseFit, given: GivenPose | None = None
) -> CameraEvidence:
    """Errors of a pose, and what is wrong with the cameras, from the matches it was fitted to.

    Args:
        rays: Dense matches.
        fit: Of them; or the held pose, and what it leaves.
        given: What a rig says of the pose, which it then also has to agree with. A held one has
            the errors that were told.
    """
    fitted = FittedMatches.of(rays, fit)
    information, residual = fitted.information, fitted.residual
    prior: Floats = np.zeros((5, 5))
    towards: Floats = np.zeros(5)
    if given is not None:
        prior = np.asarray(np.linalg.inv(given.covariance), np.float64)
        towards = prior @ step_between(fit.pose, given.pose)
    held = given is not None and given.held
    covariance = np.linalg.pinv(information) * shared_share(rays, residual, fit.sigma_px)
    if given is not None and held:
        covariance = given.covariance
    farthest = float(np.max(np.sum(rays.left[:, :2] ** 2, axis=-1)))
    erring = rays.focal_sigma is not None or (given is not None and given.by_cameras is not None)
    misfits: list[Misfit] = []
    untested: list[Misfit] = []
    focal, shared = (0.0, UNKNOWN), 0.0
    for number in NAMES:
        change, inverse = fitted.asked(number, prior, towards)
        sigma = min(math.sqrt(float(inverse[5, 5])), UNKNOWN)
        unit = inverse[:, 5] / inverse[5, 5]  # the pose follows the number
        if number == "focal":
            focal = float(change[5]), sigma
            alone, asked = focal_left_open(*focal, rays.focal_sigma)
            shared = math.hypot(
                _depths_with(rays, fit, number, unit * alone),
                asked * _depths_with(rays, fit, number, change),
            )
        elif erring:  # as told: what the images say of it does not change the camera
            shared = math.hypot(shared, _depths_with(rays, fit, number, unit * TOLD[number]))
        stated = rays.focal_sigma if number == "focal" else None
        by_told = TOLD[number] if stated is None else stated
        left = left_open(number, float(change[5]), sigma, stated)
        untested.append(_number(rays, number, unit * left, left))
        told = sigma < FARTHEST[number] and (number != "lens" or sigma * farthest < _TOLD_BEND)
        apart = math.hypot(sigma, by_told) if erring else sigma
        if told and abs(change[5]) > _SIGMAS[number] * apart:
            misfits.append(_misfit(rays, fit, number, change, sigma))
    misfits = [one for one in misfits if one.depth_change > _LEAST_CHANGE]
    misfits.sort(key=lambda one: -abs(one.change) / one.sigma)
    return CameraEvidence(
        covariance=np.asarray(covariance),
        focal_ratio=1 + focal[0],
        focal_sigma=focal[1],
        misfits=tuple(misfits),
        untested=tuple(untested),
        shared=shared,
        erring=erring,
        held=held,
    )


def _angles_deg(covariance: Floats) -> tuple[float, float]:
    turn, aside = np.trace(covariance[:3, :3]), np.trace(covariance[3:, 3:])
    return math.degrees(math.sqrt(float(turn))), math.degrees(math.sqrt(float(aside)))


def _misfit(
    rays: MatchedRays, fit: PoseFit, number: CameraNumber, change: Floats, sigma: float
) -> Misfit:
    """What a wrong number does, the pose following it."""
    right = changed(rays, number, float(change[5]))
    before = rays.inverse_depth(fit.pose)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = right.inverse_depth(moved(fit.pose, change[:5])) / before
        off = np.abs(ratio - 1)
    found = _number(rays, number, change, sigma)
    return found._replace(depth_change=float(np.percentile(off, 90)))


def told_errors(rays: MatchedRays, fit: PoseFit) -> Floats:
    """(5, 5) radians², what cameras that err as told numbers do make of a fitted pose.

    Args:
        rays: Dense matches.
        fit: Of them.
    """
    fitted = FittedMatches.of(rays, fit)
    jacobian, weight = fitted.jacobian, fitted.weight
    found = np.zeros((5, 5))
    for number in NAMES:
        information, pull = normal_equations(jacobian.T, fitted.by(number), weight)
        follows = -np.linalg.lstsq(information, pull, rcond=None)[0]
        stated = rays.focal_sigma if number == "focal" else None
        told = TOLD[number] if stated is None else stated
        found += told**2 * np.outer(follows, follows)
    return found


def _depths_with(rays: MatchedRays, fit: PoseFit, number: CameraNumber, change: Floats) -> float:
    """What another number, the pose following it, does to all depths: a relative change."""
    if not change[5]:
        return 0.0
    other = changed(rays, number, float(change[5])).inverse_depth(moved(fit.pose, change[:5]))
    with np.errstate(divide="ignore", invalid="ignore"):
        off = abs(float(np.nanmedian(other / rays.inverse_depth(fit.pose))) - 1)
    return min(off, _MOST_SHARED)


def _number(rays: MatchedRays, number: CameraNumber, change: Floats, sigma: float) -> Misfit:
    """A number's change and the pose's with it; what it does to depths is not looked at."""
    pixels = rays.focal_px if number in CENTRES else 1.0
    return Misfit(
        number=number,
        change=float(change[5]) * pixels,
        sigma=sigma * pixels,
        depth_change=0.0,
        focal_px=rays.focal_px,
        pose_step=tuple(change[:5].tolist()),
    )


def draw_poses(pose: RelativePose, evidence: CameraEvidence, count: int) -> list[RelativePose]:
    """Poses with the errors of the fit: those of the evidence, as wide as real ones are."""
    values, axes = np.linalg.eigh(evidence.covariance)
    root = axes * np.sqrt(np.maximum(values, 0)) * _REAL
    steps = shared_errors(count)[:, POSE] @ root.T
    return [moved(pose, step) for step in steps]
