"""A pose that a rig tells: held, compared, and refused where the images show another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime import infer_geometry_only
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.epipolar import RelativePose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.refinement import refine
from lunar_runtime.refinement.acceptance import (
    ContradictionError,
    NotRefinedError,
    require_agreement_with_rig,
)
from lunar_runtime.refinement.first_pose import FirstPose, matches_of_pose
from lunar_runtime.refinement.refine import refine_pose_and_surface
from lunar_runtime.refinement.surface import GivenPose

from .scenes import flat_scene, hilly_scene, rigid

SCENE = hilly_scene()
SIGMA_DEG = (0.02, 0.1)


def turned(x_deg: float = 0.0, z_deg: float = 0.0) -> RelativePose:
    """The right camera turned about its own axes; its place stays."""
    turn = rigid((np.radians(x_deg), 0.0, np.radians(z_deg)), (0, 0, 0))[:3, :3]
    return RelativePose(turn @ SCENE.pose.R, turn @ SCENE.pose.t)


def aside(angle_deg: float) -> RelativePose:
    """The right camera elsewhere, turned as it was."""
    turn = rigid((0.0, 0.0, np.radians(angle_deg)), (0, 0, 0))[:3, :3]
    return RelativePose(SCENE.pose.R, turn @ SCENE.pose.t)


def given(pose: RelativePose, *, held: bool) -> GivenPose:
    return GivenPose(pose, held, SIGMA_DEG)


def test_a_held_pose_is_used_as_it_is() -> None:
    found, surface = refine_pose_and_surface(SCENE.views(), given=given(SCENE.pose, held=True))
    np.testing.assert_array_equal(found.pose.matrix(), SCENE.pose.matrix())
    assert found.source == "rig"
    assert 24 <= found.inliers <= found.matches
    assert found.epipolar_px < 0.1
    assert found.evidence.sigma_deg == pytest.approx(SIGMA_DEG)
    flat = flat_scene().inverse_depth
    error = np.abs(surface.inverse_depth / SCENE.inverse_depth - 1)
    assert np.median(error) < 0.1 * np.median(np.abs(flat / SCENE.inverse_depth - 1))


@pytest.mark.parametrize("wrong", [turned(z_deg=2.0), turned(x_deg=5.0), aside(20.0)])
def test_a_held_pose_that_the_images_do_not_bear_out_is_refused(wrong: RelativePose) -> None:
    with pytest.raises(NotRefinedError):
        refine_pose_and_surface(SCENE.views(), given=given(wrong, held=True))


# 0.2 degrees: the matches would bear it out, and fit the images' own pose seven times better.
@pytest.mark.parametrize("wrong", [turned(z_deg=2.0), turned(z_deg=0.2), aside(20.0)])
def test_a_start_that_is_not_the_images_pose_is_a_contradiction(wrong: RelativePose) -> None:
    with pytest.raises(ContradictionError, match="degrees from where the rig has it"):
        refine_pose_and_surface(SCENE.views(), given=given(wrong, held=False))


def test_a_contradiction_is_no_refusal_that_the_network_could_stand_in_for() -> None:
    assert issubclass(ContradictionError, InputError)
    assert not issubclass(ContradictionError, NotRefinedError)


def test_agreement_is_judged_by_the_errors_of_both() -> None:
    """Four standard deviations: of 0.3 and 0.4 degrees together, 2 degrees."""
    told = GivenPose(SCENE.pose, held=False, sigma_deg=(0.3, 3.0))
    require_agreement_with_rig(turned(z_deg=1.9), (0.4, 4.0), told)
    with pytest.raises(
        ContradictionError,
        match=r"is turned by 2\.10 degrees from where the rig has it, 2\.00 would be within",
    ):
        require_agreement_with_rig(turned(z_deg=2.1), (0.4, 4.0), told)
    sure = told._replace(sigma_deg=(0.3, 0.3))
    with pytest.raises(ContradictionError, match=r"has its baseline \d\.\d\d degrees from where"):
        require_agreement_with_rig(aside(5.0), (0.4, 0.4), sure)


def test_the_rigs_pose_is_held_where_the_images_alone_find_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*arguments: object, **options: object) -> FirstPose:
        raise NotRefinedError("only 23 points match")

    monkeypatch.setattr(refine, "find_first_pose", nothing)
    found, _ = refine_pose_and_surface(SCENE.views(), given=given(SCENE.pose, held=False))
    np.testing.assert_array_equal(found.pose.matrix(), SCENE.pose.matrix())
    with pytest.raises(NotRefinedError):  # and refused, if they do not bear it out
        refine_pose_and_surface(SCENE.views(), given=given(turned(z_deg=2.0), held=False))


def test_sparse_matches_of_another_pose_are_too_few() -> None:
    count, inliers = matches_of_pose(SCENE.views(), SCENE.pose)
    assert len(inliers) > 0.8 * count
    with pytest.raises(NotRefinedError, match="matched points agree on a camera pose"):
        matches_of_pose(SCENE.views(), turned(x_deg=20.0))


def test_a_focal_length_that_is_5_percent_wrong_does_not_fit_the_rigs_pose() -> None:
    k = SCENE.left
    wrong = Intrinsics(1.05 * k.fx, 1.05 * k.fy, k.cx, k.cy)
    right_one = Rig(left=k, right_from_left=SCENE.right_from_left)
    assert infer_geometry_only(SCENE.grey_left, SCENE.grey_right, right_one).verdict == "measured"
    with pytest.raises(ContradictionError, match=r"check .*the intrinsics and right_from_left"):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, replace(right_one, left=wrong))


def test_exchanged_images_are_not_the_rigs_pair() -> None:
    rig = Rig(left=SCENE.left, right_from_left=SCENE.right_from_left)
    with pytest.raises(ContradictionError, match="check which image is the left one"):
        infer_geometry_only(SCENE.grey_right, SCENE.grey_left, rig, altitude_m=1000.0)
