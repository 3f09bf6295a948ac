"""A pose that a rig tells: held, compared, and refused where the images show another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime import infer_geometry_only
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.epipolar import MatchedRays, RelativePose
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.refinement import free_pose
from lunar_runtime.refinement.acceptance import (
    ContradictionError,
    NotRefinedError,
    require_agreement_with_rig,
)
from lunar_runtime.refinement.first_pose import FirstPose, matches_of_pose
from lunar_runtime.refinement.refine import refine_pose_and_surface
from lunar_runtime.refinement.relative_pose import PoseFit, fit_pose
from lunar_runtime.refinement.surface import GivenPose
from lunar_runtime.refinement.told_numbers import TOLD, CameraNumber, changed
from lunar_runtime.refinement.told_pose import AGREED, AS_TOLD, Agreement, agree, loosened

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
    with pytest.raises((NotRefinedError, ContradictionError)):
        refine_pose_and_surface(SCENE.views(), given=given(wrong, held=True))


@pytest.mark.parametrize("wrong", [turned(z_deg=2.0), aside(20.0)])
def test_a_start_that_is_not_the_images_pose_is_a_contradiction(wrong: RelativePose) -> None:
    with pytest.raises(ContradictionError, match="degrees from where the rig has it"):
        refine_pose_and_surface(SCENE.views(), given=given(wrong, held=False))


def test_a_contradiction_is_no_refusal_that_the_network_could_stand_in_for() -> None:
    assert issubclass(ContradictionError, InputError)
    assert not issubclass(ContradictionError, NotRefinedError)


def test_agreement_is_judged_by_the_errors_of_both() -> None:
    """Matches of a known pose, and a rig that is turned from it: far, by its error or another."""
    rays = SCENE.rays(4000, noise_px=0.05)
    free = fit_pose(rays, SCENE.pose)

    def apart(sigma_deg: tuple[float, float]) -> Agreement:
        return agree(rays, free, GivenPose(turned(z_deg=0.5), held=False, sigma_deg=sigma_deg))

    unsure = apart((0.5, 2.0))
    assert unsure.apart < 2.5
    assert unsure.pose.turned_deg(SCENE.pose) < 0.1
    require_agreement_with_rig(free.pose, given(turned(z_deg=0.5), held=False), unsure)
    assert apart((0.05, 0.2)).apart > 4
    with pytest.raises(
        ContradictionError,
        match=r"turned by 0\.5\d degrees and its baseline .* degrees from where the rig has it, "
        r"\d+\.\d times the errors of both; check which image is the left one",
    ):
        require_agreement_with_rig(
            free.pose, given(turned(z_deg=0.5), held=False), apart((0.05, 0.2))
        )


def test_the_agreed_pose_is_nearer_to_the_surer_of_the_two() -> None:
    rays = SCENE.rays(1000, noise_px=0.3)
    free = fit_pose(rays, turned(z_deg=0.1))
    sure, unsure = (
        agree(rays, free, GivenPose(SCENE.pose, held=False, sigma_deg=sigma))
        for sigma in ((1e-3, 1e-3), (10.0, 10.0))
    )
    assert sure.pose.turned_deg(SCENE.pose) < 1e-3
    assert unsure.pose.turned_deg(free.pose) < 0.5 * free.pose.turned_deg(SCENE.pose)
    assert np.trace(sure.covariance) < 0.01 * np.trace(unsure.covariance)


def test_the_rigs_pose_is_held_where_the_images_alone_find_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(*arguments: object, **options: object) -> FirstPose:
        raise NotRefinedError("only 23 points match")

    monkeypatch.setattr(free_pose, "find_first_pose", nothing)
    found, _ = refine_pose_and_surface(SCENE.views(), given=given(SCENE.pose, held=False))
    assert found.held
    assert found.pose.turned_deg(SCENE.pose) < SIGMA_DEG[0]
    with pytest.raises(NotRefinedError):  # and refused, if they do not bear it out
        refine_pose_and_surface(SCENE.views(), given=given(turned(z_deg=2.0), held=False))


def test_sparse_matches_of_another_pose_are_too_few() -> None:
    count, inliers = matches_of_pose(SCENE.views(), SCENE.pose)
    assert len(inliers) > 0.8 * count
    with pytest.raises(NotRefinedError, match="matched points agree on a camera pose"):
        matches_of_pose(SCENE.views(), turned(x_deg=20.0))


@pytest.mark.parametrize("change", [{"f": 1.05}, {"cx": 15.0}, {"cy": -15.0}])
def test_c07_intrinsics_that_are_wrong_do_not_fit_the_rigs_pose(change: dict[str, float]) -> None:
    scene = hilly_scene(256)
    k, f = scene.left, change.get("f", 1.0)
    wrong = Intrinsics(
        f * k.fx, f * k.fy, k.cx + change.get("cx", 0.0), k.cy + change.get("cy", 0.0)
    )
    right_one = Rig(left=k, right_from_left=scene.right_from_left)
    assert infer_geometry_only(scene.grey_left, scene.grey_right, right_one).verdict == "measured"
    with pytest.raises(ContradictionError, match=r"check .*the intrinsics and right_from_left"):
        infer_geometry_only(scene.grey_left, scene.grey_right, replace(right_one, left=wrong))


def test_exchanged_images_are_not_the_rigs_pair() -> None:
    rig = Rig(left=SCENE.left, right_from_left=SCENE.right_from_left)
    with pytest.raises(ContradictionError, match="check which image is the left one"):
        infer_geometry_only(SCENE.grey_right, SCENE.grey_left, rig, altitude_m=1000.0)


ERR: list[CameraNumber] = ["focal", "centre_y", "zoom"]


def seen_through(number: CameraNumber, tolds: float) -> tuple[MatchedRays, PoseFit]:
    """Matches through cameras of which one number errs by so many of its told errors."""
    rays = changed(SCENE.rays(4000, noise_px=0.05), number, tolds * TOLD[number])
    return rays, fit_pose(rays, SCENE.pose)


@pytest.mark.parametrize("number", ERR)
def test_cameras_that_err_as_told_ones_do_may_have_the_pose_elsewhere(
    number: CameraNumber,
) -> None:
    rays, free = seen_through(number, 3.5)
    right = given(SCENE.pose, held=False)
    assert agree(rays, free, right).apart > AGREED
    wider = loosened(rays, free, right)
    found = agree(rays, free, wider)
    assert found.apart < AGREED
    assert np.trace(found.covariance) > np.trace(agree(rays, free, right).covariance)


@pytest.mark.parametrize("number", ERR)
def test_cameras_that_err_ten_times_as_much_do_not_explain_a_rig(number: CameraNumber) -> None:
    rays, free = seen_through(number, 20.0)
    wider = loosened(rays, free, given(SCENE.pose, held=False))
    assert agree(rays, free, wider).apart > AGREED


def told(focal_sigma: float | None, zoom: float) -> Rig:
    """The scene's rig, its right camera told longer than it is."""
    f, cx, cy = SCENE.right.fx * zoom, SCENE.right.cx, SCENE.right.cy
    return Rig(
        left=SCENE.left,
        right=Intrinsics(f, f, cx, cy),
        right_from_left=SCENE.right_from_left,
        focal_sigma=focal_sigma,
    )


def test_a_rig_whose_cameras_err_unsaid_is_a_guess_and_said_is_measured() -> None:
    grey = SCENE.grey_left, SCENE.grey_right
    right, unsaid, said = (
        infer_geometry_only(*grey, told(*one))
        for one in ((None, 1.0), (None, 1.0027), (0.002, 1.0))
    )
    assert right.verdict == said.verdict == "measured"
    assert right.refinement is not None
    assert not right.refinement.cameras_err
    assert unsaid.verdict == "guessed"
    assert any("only if the told cameras err" in reason for reason in unsaid.verdict_reasons)
    assert said.refinement is not None
    assert said.refinement.cameras_err
    assert right.scale.sigma is not None
    assert unsaid.scale.sigma is not None
    assert unsaid.scale.sigma > right.scale.sigma
    assert right.refinement.rig_apart is not None
    assert right.refinement.rig_apart < AS_TOLD
    assert unsaid.refinement is not None
    assert unsaid.refinement.rig_apart is not None
    assert unsaid.refinement.rig_apart > AGREED


def test_a_rig_that_is_nearly_as_told_has_wider_errors_and_is_measured() -> None:
    """A right camera told a thousandth too long: no contradiction, but not as told either."""
    grey = SCENE.grey_left, SCENE.grey_right
    right, longer = (infer_geometry_only(*grey, told(None, zoom)) for zoom in (1.0, 1.0012))
    assert longer.verdict == "measured"
    assert longer.refinement is not None
    assert longer.refinement.rig_apart is not None
    assert AS_TOLD < longer.refinement.rig_apart < AGREED
    assert longer.refinement.cameras_err
    assert right.scale.sigma is not None
    assert longer.scale.sigma is not None
    assert longer.scale.sigma > 2 * right.scale.sigma
