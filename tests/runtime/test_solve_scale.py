"""What makes lengths metres, what is doubted of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Refinement
from lunar_runtime.inference.solve import solve_geometry

from .known_maps import LEFT, PLANE, UNIT_M, fused, maps_of, refined
from .scenes import two_cameras

# The pose is fitted to 4096 float32 points; its noise is below a rounding of a pixel, 4e-6.
POSE = 1e-4

METRIC = Rig(right_from_left=PLANE.right_from_left)


@pytest.mark.parametrize(
    ("options", "rig", "source"),
    [
        (replace(LEFT, altitude_m=PLANE.ground.height_of_camera_m), Rig(), ScaleSource.ALTITUDE),
        (replace(LEFT, baseline_m=PLANE.baseline_m), Rig(), ScaleSource.BASELINE),
        (LEFT, METRIC, ScaleSource.RIG),
        (replace(LEFT, altitude_m=PLANE.ground.height_of_camera_m), METRIC, ScaleSource.ALTITUDE),
        (replace(LEFT, baseline_m=PLANE.baseline_m), METRIC, ScaleSource.BASELINE),
    ],
    ids=["altitude", "baseline", "rig", "altitude before rig", "baseline before rig"],
)
def test_any_one_length_makes_all_lengths_metres(
    options: InferOptions, rig: Rig, source: ScaleSource
) -> None:
    found = solve_geometry(fused(), options, rig, network=maps_of(PLANE))
    assert (found.unit, found.scale.source) == ("m", source)
    assert found.scale.metres_per_unit == pytest.approx(UNIT_M, rel=POSE)
    np.testing.assert_allclose(found.views["left"].depth, PLANE.depth_left, rtol=POSE)
    assert found.pose is not None
    assert np.linalg.norm(found.pose.right_from_left[:3, 3]) == pytest.approx(
        PLANE.baseline_m, rel=POSE
    )
    assert found.plane is not None
    assert found.plane.camera_height == pytest.approx(PLANE.ground.height_of_camera_m, rel=POSE)
    assert found.network is not None  # what the network said is in the same unit
    np.testing.assert_allclose(found.network.pointmap_left, found.pointmap_left)


def test_scaling_leaves_the_maps_as_they_were() -> None:
    given = fused()
    before = given.maps.left.points.copy()
    solve_geometry(given, replace(LEFT, altitude_m=1.0), Rig())
    np.testing.assert_array_equal(given.maps.left.points, before)
    assert given.maps.pose is not None
    assert np.linalg.norm(given.maps.pose.right_from_left[:3, 3]) < 1


def test_a_rig_that_has_the_right_camera_elsewhere_is_refused() -> None:
    swapped = Rig(right_from_left=np.asarray(np.linalg.inv(PLANE.right_from_left), np.float64))
    with pytest.raises(
        InputError,
        match=r"the right camera was recovered 1\d\d degrees from where the rig has it, so the "
        "baseline cannot fix the scale; check which image is the left one, give `altitude_m`, or",
    ):
        solve_geometry(fused(), LEFT, swapped)
    solve_geometry(fused(), replace(LEFT, altitude_m=9.0), swapped)  # then nobody needs it


@pytest.mark.parametrize(("turn_deg", "refused"), [(28, False), (32, True)])
def test_thirty_degrees_are_elsewhere(turn_deg: float, refused: bool) -> None:
    """The rig's baseline turned about an axis across it, by less and by more."""
    R, centre = (
        PLANE.right_from_left[:3, :3],
        -PLANE.right_from_left[:3, :3].T @ PLANE.right_from_left[:3, 3],
    )
    across = np.cross(centre, [0.0, 0.0, 1.0])
    across *= np.linalg.norm(centre) / np.linalg.norm(across)
    angle = np.radians(turn_deg)
    elsewhere = PLANE.right_from_left.copy()
    elsewhere[:3, 3] = -R @ (np.cos(angle) * centre + np.sin(angle) * across)
    if refused:
        with pytest.raises(InputError, match="recovered 32 degrees from where the rig has it"):
            solve_geometry(fused(), LEFT, Rig(right_from_left=elsewhere))
    else:
        solve_geometry(fused(), LEFT, Rig(right_from_left=elsewhere))


def test_a_rig_that_tells_the_turn_alone_stands_beside_a_baseline() -> None:
    turn = np.eye(4)
    turn[:3, :3] = PLANE.right_from_left[:3, :3]
    options = replace(LEFT, baseline_m=PLANE.baseline_m)
    found = solve_geometry(fused(), options, Rig(right_from_left=turn))
    assert found.scale.source is ScaleSource.BASELINE


def test_a_short_baseline_is_doubted_unless_the_images_refined_it() -> None:
    short = two_cameras(PLANE.ground, (60.0, 0.0, 0.0), size=64)
    options = replace(LEFT, baseline_m=short.baseline_m)
    (warning,) = solve_geometry(fused(short), options, Rig()).warnings
    assert warning == (
        "scale: the baseline is 6.0% of the depth, so a pointmap error of 1 % moves the scale by "
        "16 % and more; an altitude is safer"
    )
    assert solve_geometry(refined(short), options, Rig()).warnings == ()
    assert solve_geometry(fused(PLANE), options, Rig()).warnings == ()  # a quarter of the depth


def test_a_rigs_baseline_without_a_pose_is_of_no_use_and_said_to_be() -> None:
    left_only = Fused(replace(maps_of(PLANE), right=None, pose=None), None)
    found = solve_geometry(left_only, LEFT, METRIC)
    assert found.unit == "relative"
    assert found.warnings == (
        "scale: the rig's baseline cannot fix it without the right pointmap and its pose; depth "
        "stays relative",
    )


@pytest.mark.parametrize(
    ("options", "rig"),
    [
        (replace(LEFT, altitude_m=1000.0), Rig()),
        (replace(LEFT, baseline_m=PLANE.baseline_m), Rig()),
        (LEFT, METRIC),
    ],
    ids=["altitude", "baseline", "rig"],
)
def test_a_pair_that_the_images_did_not_decide_stays_relative(
    options: InferOptions, rig: Rig
) -> None:
    kept = Fused(maps_of(PLANE), Refinement(reason="only 9 points match"))
    found = solve_geometry(kept, options, rig)
    assert found.unit == "relative"
    assert found.warnings == (
        "scale: the images did not decide the geometry, and the network's word fixes no metres; "
        "depth stays relative",
    )
    assert found.verdict == "guessed"
    assert solve_geometry(kept, LEFT, Rig()).warnings == ()  # nobody asked for metres


def test_a_camera_that_nobody_knows_fixes_no_metres() -> None:
    maps = maps_of(PLANE)
    nominal = replace(maps, camera_left=maps.camera_left._replace(source="nominal"))
    options = replace(LEFT, altitude_m=1000.0)
    found = solve_geometry(Fused(nominal, Refinement(reason=None)), options, Rig())
    assert found.unit == "relative"
    assert found.warnings == (
        "scale: the focal length is not known; give intrinsics, or a rig with them; depth stays "
        "relative",
    )
    assert found.verdict_reasons == ("the focal length is not known",)
    # A network that was asked for alone is taken at its word, and the verdict says so.
    alone = solve_geometry(Fused(nominal, None), options, Rig())
    assert alone.unit == "m"
    assert alone.verdict == "guessed"


@pytest.mark.parametrize(
    ("share", "verdict"), [(1.0, "measured"), (1.03, "measured"), (1.08, "guessed")]
)
def test_lengths_that_disagree_are_doubted(share: float, verdict: str) -> None:
    done = Fused(maps_of(PLANE), Refinement(reason=None))
    options = replace(LEFT, altitude_m=share * PLANE.ground.height_of_camera_m)
    found = solve_geometry(done, options, METRIC)
    assert found.unit == "m"
    assert found.verdict == verdict
    if verdict == "guessed":
        text = "the altitude makes the scene 8% larger than the rig's pose does"
        assert found.verdict_reasons == (text,)


def test_kilometres_for_metres_are_refused() -> None:
    done = Fused(maps_of(PLANE), Refinement(reason=None))
    for options in (
        replace(LEFT, altitude_m=PLANE.ground.height_of_camera_m / 1000),
        replace(LEFT, baseline_m=PLANE.baseline_m / 1000),
    ):
        with pytest.raises(
            InputError,
            match=r"the rig's pose makes the scene 1e\+03 times as large as the (alt|base).*; "
            "check which of them is right, and that both are metres",
        ):
            solve_geometry(done, options, METRIC)
