"""Every rule of acceptance: what it refuses, in which words, and what it lets pass just beside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.epipolar import MatchedRays
from lunar_runtime.geometry.views import Pair
from lunar_runtime.refinement.acceptance import (
    NoParallaxError,
    NotRefinedError,
    require_agreement,
    require_common_ground,
    require_dense_matches,
    require_epipolar_fit,
    require_inliers,
    require_matches,
    require_parallax,
)
from lunar_runtime.refinement.camera_evidence import CameraEvidence
from lunar_runtime.refinement.dense_match import Flow, measure_flow
from lunar_runtime.refinement.misfit import Misfit
from lunar_runtime.refinement.pose_residuals import pattern_px

from .scenes import Ground, Scene, hilly_scene, two_cameras

SAYS_NOTHING = CameraEvidence(np.eye(5), 1.0, 1.0)


def flow(
    matched: float = 1.0, correlation: float = 1.0, inside: float = 1.0, trust: float = 1.0
) -> Flow:
    """Of 20 × 20 px: shares of the overlap that match, and of the pixels in the overlap."""
    share = np.arange(400).reshape(20, 20) / 400
    shown = share < inside
    zero = np.zeros((20, 20), np.float32)
    trusted = np.where(share < matched * inside, np.float32(trust), np.float32(0))
    alike = np.where(shown, np.float32(correlation), np.float32(0))
    return Flow(zero, zero, trusted, shown, alike, zero)


def moved_by(share: float) -> Scene:
    """A right camera that moved by a share of the depth."""
    return two_cameras(Ground(), (share * 1000.0, 0.0, 0.0), roll=0.0)


def test_a_refusal_is_an_input_error_and_lack_of_parallax_is_a_refusal() -> None:
    assert issubclass(NoParallaxError, NotRefinedError)
    assert issubclass(NotRefinedError, InputError)


def test_24_matches_are_enough_and_23_are_not() -> None:
    require_matches(24)
    with pytest.raises(
        NotRefinedError,
        match="only 23 points match between the images, 24 are needed; do they show the same "
        "ground under the same sun",
    ):
        require_matches(23)


def test_24_inliers_are_enough_and_23_are_not() -> None:
    require_inliers(24, 1000)
    with pytest.raises(
        NotRefinedError, match="only 23 of 80 matched points agree on a camera pose, 24 are needed"
    ):
        require_inliers(23, 80)


def test_24_dense_matches_are_enough_and_23_are_not() -> None:
    require_dense_matches(24)
    with pytest.raises(NotRefinedError, match="the images do not match densely along the ground"):
        require_dense_matches(23)


def test_a_baseline_of_two_percent_of_the_depth_has_parallax() -> None:
    scene = moved_by(0.02)
    require_parallax(scene.rays(), scene.pose)


def test_a_baseline_below_a_percent_of_the_depth_is_refused_with_its_share() -> None:
    """Steep hills show their parallax even so; their depth would be noise."""
    scene = two_cameras(Ground(relief_m=60.0), (9.0, 0.0, 0.0), roll=0.0, focal=9.0)
    with pytest.raises(
        NoParallaxError, match=r"the baseline is 0\.9\d% of the depth; below 1% the images hold no"
    ):
        require_parallax(scene.rays(), scene.pose)


def test_a_turn_alone_has_no_parallax() -> None:
    scene = hilly_scene()
    rays = scene.rays()
    turned = replace(rays, right=rays.left @ scene.pose.R.T)
    with pytest.raises(
        NoParallaxError,
        match=r"a turn of the camera alone explains the images to 0\.00 px, so they hold no depth; "
        "the cameras need a baseline",
    ):
        require_parallax(turned, scene.pose)


def test_matches_behind_the_cameras_have_no_parallax() -> None:
    """More than a tenth of them, mirrored through the epipole: no depth that can be meant."""
    scene = hilly_scene()
    rays = scene.rays()
    d, turned = rays.inverse_depth(scene.pose)[:, None], rays.left @ scene.pose.R.T

    def mirrored(every: int) -> MatchedRays:
        sign = np.where(np.arange(len(rays)) % every, 1.0, -1.0)[:, None]
        right = turned + sign * d * scene.pose.t
        return replace(rays, right=right / right[:, 2:])

    require_parallax(mirrored(11), scene.pose)
    with pytest.raises(NoParallaxError, match="a turn of the camera alone explains the images to"):
        require_parallax(mirrored(9), scene.pose)


def test_one_trusted_pixel_is_common_ground_and_none_is_not() -> None:
    require_common_ground(flow(matched=1 / 400))
    with pytest.raises(NotRefinedError, match="the two views have no ground in common"):
        require_common_ground(flow(matched=0))


def test_a_sixth_of_the_overlap_must_match() -> None:
    require_agreement(flow(matched=0.16))
    with pytest.raises(
        NotRefinedError,
        match="only 14% of the common ground matches between the images, 15% is needed; do they "
        "show it under the same sun",
    ):
        require_agreement(flow(matched=0.14))


def test_the_share_is_of_the_overlap_and_not_of_the_image() -> None:
    require_agreement(flow(matched=0.2, inside=0.25))
    with pytest.raises(NotRefinedError, match="only 10% of the common ground"):
        require_agreement(flow(matched=0.1, inside=0.25))


def test_a_match_counts_from_a_trust_of_a_twentieth() -> None:
    require_agreement(flow(trust=0.06))
    with pytest.raises(NotRefinedError, match="only 0% of the common ground"):
        require_agreement(flow(trust=0.04))


def test_what_matches_must_look_alike() -> None:
    require_agreement(flow(correlation=0.41))
    with pytest.raises(
        NotRefinedError,
        match=r"the images differ through any surface \(correlation 0\.39, 0\.4 is needed\); do "
        "they show the ground under the same sun",
    ):
        require_agreement(flow(correlation=0.39))


def missing(pattern_px: float, noise_px: float) -> MatchedRays:
    """Dense matches of the true pose, off their epipolar lines: by a slow wave, and each alone."""
    scene = hilly_scene()
    rays = scene.rays(4000)
    across = np.array([-scene.pose.t[1], scene.pose.t[0], 0.0])
    wave = pattern_px * np.sign(np.sin(rays.left[:, 0] * rays.focal_px / 64.0 * np.pi / 2))
    noise = np.random.default_rng(0).normal(0.0, noise_px, len(rays))
    off = across / np.linalg.norm(across) * ((wave + noise) / rays.focal_px)[:, None]
    return replace(rays, right=rays.right + off)


def test_dense_matches_must_follow_their_epipolar_lines() -> None:
    pose = hilly_scene().pose
    require_epipolar_fit(missing(0.12, 0.0), pose, SAYS_NOTHING)
    with pytest.raises(
        NotRefinedError,
        match=r"no camera pose explains the dense matches: they miss their epipolar lines by "
        r"0\.1\d px, 0\.1 px is allowed; are the intrinsics right",
    ):
        require_epipolar_fit(missing(0.25, 0.0), pose, SAYS_NOTHING)


def test_noise_may_keep_matches_off_their_lines_and_a_pattern_may_not() -> None:
    """As far in the median; noise averages out among neighbours, a wave does not."""
    pose = hilly_scene().pose
    noisy, wavy = missing(0.0, 0.23), missing(0.17, 0.0)
    misses = [float(np.median(rays.distance_px(pose))) for rays in (noisy, wavy)]
    assert misses == pytest.approx([0.11, 0.12], abs=0.01)
    assert pattern_px(noisy, pose) < 0.02 < 0.12 < pattern_px(wavy, pose)
    require_epipolar_fit(noisy, pose, SAYS_NOTHING)
    with pytest.raises(NotRefinedError, match="no camera pose explains the dense matches"):
        require_epipolar_fit(wavy, pose, SAYS_NOTHING)
    with pytest.raises(NotRefinedError, match="no camera pose explains the dense matches"):
        require_epipolar_fit(missing(0.0, 0.4), pose, SAYS_NOTHING)  # too much noise


def test_a_lens_that_the_matches_show_is_named_where_they_follow_no_pose() -> None:
    lens = Misfit("lens", -0.1, 0.01, 0.02, 140.0, (0.0,) * 5)
    with pytest.raises(
        NotRefinedError,
        match=r"0\.1 px is allowed; the images ask for a lens with k1 -0\.1 \(± 0\.01\); "
        "give `distortion` in the rig",
    ):
        require_epipolar_fit(
            missing(0.25, 0.0), hilly_scene().pose, SAYS_NOTHING._replace(misfits=(lens,))
        )


def test_a_pair_of_one_ground_agrees_and_its_negative_does_not() -> None:
    """Real flows: another light is not the same ground in other tones."""
    scene = hilly_scene()
    pair = scene.views().floating()
    require_agreement(measure_flow(pair, scene.pose, scene.inverse_depth))
    negative = Pair(pair.left, replace(pair.right, grey=255 - pair.right.grey))
    with pytest.raises(NotRefinedError, match=r"the images differ through any surface|only 0%"):
        require_agreement(measure_flow(negative, scene.pose, scene.inverse_depth))
