"""When the images may decide, and when they may not: every rule with its reason in words.

A rule is measured before it refuses. The operating points come from StereoLunar and rendered pairs,
right and wrong poses alike; each constant says what was seen on either side of it.
"""

from __future__ import annotations

import numpy as np

from lunar_runtime.errors import InputError
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.refinement.camera_evidence import CameraEvidence
from lunar_runtime.refinement.dense_match import Flow
from lunar_runtime.refinement.pose_residuals import pattern_px, rotation_residual_px
from lunar_runtime.refinement.relative_pose import IN_FRONT, in_front
from lunar_runtime.refinement.same_ground import CommonGround
from lunar_runtime.refinement.surface import GivenPose
from lunar_runtime.refinement.told_pose import AGREED, Agreement

MIN_MATCHES = 24
MIN_TRUST = 0.05
INLIER_PX = 1.5

_LEAST_BASELINE = 0.01  # of the depth
_LEAST_PARALLAX_PX = 0.15
_LEAST_MATCHED = 0.15  # of the overlap
# Median distance of the dense matches: right poses leave 0.01-0.06 px (film 0.05), wrong ones on
# narrow overlaps 0.15-0.2. Of dim ground with a detector's noise right ones leave up to 0.12:
# four of 86 clean pairs. Noise averages out over a neighbourhood, to 0.07-0.11 px (root mean
# square); what wrong cameras leave does not, 0.14-0.29 px.
_MOST_EPIPOLAR_PX, _MOST_NOISE_PX = 0.10, 0.13
_MOST_PATTERN_PX = 0.12
_LEAST_CORRELATION = 0.4  # same sun 0.7-0.99; another sun -0.1 to 0.1

# Of the evidence that two images show the same ground. StereoLunar, rendered and Apollo pairs have
# 35 and more, 24 pairs under two suns 7.7 to 58 (all but one 17); unrelated scenes and noise 4.7 at
# most, a mirrored crater 6.3 (140 pairs).
_LEAST_COMMON_SIGMAS = 7.0
# Refined pairs that are looked at again: a wrong pose on unrelated scenes had 37 of 114 inliers and
# refined 3 % of the view.
_FEW_INLIERS, _FEW_REFINED = 0.5, 0.1


class NotRefinedError(InputError):
    """The images cannot refine the surface; the text says why."""


class ContradictionError(InputError):
    """What was told of the cameras is not what the images show."""


class OtherGroundError(InputError):
    """Nothing shows that both images are of the same ground."""


class NoParallaxError(NotRefinedError):
    """More features would not change it."""


def require_matches(count: int) -> None:
    """Refuse too few sparse matches.

    Raises:
        NotRefinedError: Fewer than `MIN_MATCHES`.
    """
    if count < MIN_MATCHES:
        raise NotRefinedError(
            f"only {count} points match between the images, {MIN_MATCHES} are needed; "
            "do they show the same ground under the same sun?"
        )


def require_inliers(inliers: int, matches: int) -> None:
    """Refuse a pose that too few sparse matches agree on.

    Raises:
        NotRefinedError: Fewer than `MIN_MATCHES` do.
    """
    if inliers < MIN_MATCHES:
        raise NotRefinedError(
            f"only {inliers} of {matches} matched points agree on a camera "
            f"pose, {MIN_MATCHES} are needed; do the images show the same ground under the same "
            "sun?"
        )


def require_dense_matches(count: int) -> None:
    """Refuse too few dense matches to fit a pose to.

    Raises:
        NotRefinedError: Fewer than `MIN_MATCHES`.
    """
    if count < MIN_MATCHES:
        raise NotRefinedError(
            "the images do not match densely along the ground that the features put in both; "
            "do they show the same ground under the same sun?"
        )


def require_parallax(inliers: MatchedRays, pose: RelativePose) -> None:
    """Refuse matches that a camera which only turned explains as well.

    Args:
        inliers: The matches that agree on the pose.
        pose: Of the right camera.

    Raises:
        NoParallaxError: There is no baseline worth having.
    """
    baseline = float(np.median(inliers.inverse_depth(pose)))
    moved_px = rotation_residual_px(inliers, pose)
    if moved_px < _LEAST_PARALLAX_PX or in_front(inliers, pose) < IN_FRONT:
        raise NoParallaxError(
            f"a turn of the camera alone explains the images to {moved_px:.2f} px, so they hold no "
            "depth; the cameras need a baseline"
        )
    if baseline < _LEAST_BASELINE:
        raise NoParallaxError(
            f"the baseline is {baseline:.2%} of the depth; below {_LEAST_BASELINE:.0%} the images "
            "hold no depth worth having"
        )


def require_common_ground(flow: Flow) -> None:
    """Refuse a flow that matched nothing at all.

    Raises:
        NotRefinedError: No pixel has a match.
    """
    if not flow.trust.any():
        raise NotRefinedError("the two views have no ground in common")


def require_agreement(flow: Flow) -> None:
    """Refuse images that differ through the surface: another sun, or another place.

    Raises:
        NotRefinedError: Too little of the overlap matches, or what does is not alike.
    """
    overlap = float(np.count_nonzero(flow.inside))
    matched = float(np.count_nonzero(flow.trust > MIN_TRUST)) / max(overlap, 1.0)
    if matched < _LEAST_MATCHED:
        raise NotRefinedError(
            f"only {matched:.0%} of the common ground matches between the images, "
            f"{_LEAST_MATCHED:.0%} is needed; do they show it under the same sun?"
        )
    correlation = float(np.median(flow.correlation[flow.inside]))
    if correlation < _LEAST_CORRELATION:
        raise NotRefinedError(
            f"the images differ through any surface (correlation {correlation:.2f}, "
            f"{_LEAST_CORRELATION} is needed); do they show the ground under the same sun?"
        )


def require_agreement_with_rig(free: RelativePose, given: GivenPose, agreement: Agreement) -> None:
    """Refuse a rig's pose that the images speak against, judged by the errors of both.

    Args:
        free: What the images alone say.
        given: What the rig says.
        agreement: Of the two.

    Raises:
        ContradictionError: They are more than `AGREED` standard deviations apart.
    """
    if agreement.apart <= AGREED:
        return
    raise ContradictionError(
        f"the images have the right camera turned by {free.turned_deg(given.pose):.2f} degrees and "
        f"its baseline {free.aside_deg(given.pose):.2f} degrees from where the rig has it, "
        f"{agreement.apart:.1f} times the errors of both; check which image is the left one, the "
        "intrinsics and right_from_left, or leave right_from_left out of the rig"
    )


def require_epipolar_fit(rays: MatchedRays, pose: RelativePose, evidence: CameraEvidence) -> None:
    """Refuse a pose that the dense matches do not follow, unless it is noise that keeps them off.

    Args:
        rays: The matches.
        pose: Of the right camera.
        evidence: What they say of the cameras.

    Raises:
        NotRefinedError: They miss their epipolar lines by too much, and together.
    """
    epipolar_px = float(np.median(rays.distance_px(pose)))
    if epipolar_px <= _MOST_EPIPOLAR_PX:
        return
    if epipolar_px > _MOST_NOISE_PX or pattern_px(rays, pose) > _MOST_PATTERN_PX:
        raise NotRefinedError(
            f"no camera pose explains the dense matches: they miss their epipolar lines by "
            f"{epipolar_px:.2f} px, {_MOST_EPIPOLAR_PX} px is allowed; "
            + (evidence.misfits[0].words() if evidence.misfits else "are the intrinsics right?")
        )


def is_doubtful(inliers: int, matches: int, refined: float) -> bool:
    """Whether a refined pair stands on so little that its common ground has to be shown.

    Args:
        inliers: Sparse matches that agree with the pose.
        matches: All sparse matches.
        refined: Share of the view where the images decide.
    """
    return inliers < _FEW_INLIERS * matches or refined < _FEW_REFINED


def require_same_ground(found: CommonGround) -> None:
    """Refuse two images that no turn, shift and scale brings together, whatever their suns.

    Raises:
        OtherGroundError: The evidence is too weak.
    """
    if found.sigmas < _LEAST_COMMON_SIGMAS:
        raise OtherGroundError(
            "nothing shows that the images are of the same ground: at no turn, shift and scale up "
            f"to 2 are they alike ({found.sigmas:.1f} sigma, {_LEAST_COMMON_SIGMAS:g} is needed); "
            "give two images of one place, with a quarter of the view in common"
        )
