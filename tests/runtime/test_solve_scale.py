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
from lunar_runtime.inference.result import Geometry, Refinement
from lunar_runtime.inference.solve import solve_geometry

from .known_maps import HILLS, LEFT, PLANE, UNIT_M, fused, maps_of, refined

# The pose is fitted to 4096 float32 points; its noise is below a rounding of a pixel, 4e-6.
POSE = 1e-4

METRIC = Rig(right_from_left=PLANE.right_from_left)
MEASURED = Fused(maps_of(PLANE), Refinement(reason=None))


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
    found = solve_geometry(MEASURED, options, rig, network=maps_of(PLANE))
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


def lengths(sigma: float, altitude: float, baseline: float = 1.0) -> Geometry:
    """The scale of maps whose depths err together by `sigma`, times what the lengths are off."""
    given = refined(sigma=0.002)
    expected = given.maps.left.expected
    assert expected is not None
    signs = np.where(np.arange(8) % 2, sigma, -sigma).astype(np.float32)
    draws = np.broadcast_to(signs[:, None, None], expected.draws.shape)
    left = replace(given.maps.left, expected=expected._replace(draws=draws))
    options = replace(
        LEFT,
        altitude_m=PLANE.ground.height_of_camera_m * altitude,
        baseline_m=PLANE.baseline_m * baseline,
    )
    maps = replace(given.maps, left=left)
    return solve_geometry(Fused(maps, given.refinement), options, Rig())


def test_an_altitude_and_a_baseline_count_both_by_their_errors() -> None:
    """The draws have the baseline 1 % off; a plane near level tells the altitude to 0.07 %."""
    found = lengths(sigma=0.01, altitude=1.0, baseline=1.008)
    assert found.scale.source is ScaleSource.ALTITUDE
    assert found.scale.other is ScaleSource.BASELINE
    assert found.scale.metres_per_unit == pytest.approx(UNIT_M, rel=5e-4)
    assert found.scale.sigma == pytest.approx(0.00065, rel=0.1)
    surer = lengths(sigma=0.0002, altitude=1.0003)
    assert surer.scale.words == "baseline and altitude"
    assert 1 < surer.scale.factor / UNIT_M < 1.00015


def test_ground_that_is_not_seen_makes_an_altitude_less_sure() -> None:
    """It stands over the plane of all ground in view, by the height of the hills."""
    sigmas = []
    for hidden in (0.0, 0.25):
        given = refined(HILLS, sigma=0.0002)
        points = given.maps.left.points.copy()
        points[: round(64 * hidden)] = np.nan
        left = replace(given.maps.left, points=points)
        options = replace(LEFT, altitude_m=HILLS.ground.height_of_camera_m)
        maps = replace(given.maps, left=left)
        sigmas.append(solve_geometry(Fused(maps, given.refinement), options, Rig()).scale.sigma)
    whole, covered = sigmas
    assert whole is not None
    assert covered is not None
    relief = 0.5 * HILLS.ground.relief_m / HILLS.ground.height_of_camera_m  # of sine times cosine
    assert np.sqrt(covered**2 - whole**2) == pytest.approx(0.25 * relief, rel=0.25)


def test_lengths_that_disagree_beyond_their_errors_make_metres_less_sure() -> None:
    found = lengths(sigma=0.0002, altitude=1.02)
    assert found.scale.source is ScaleSource.BASELINE
    sigma = found.scale.sigma
    assert sigma is not None
    off = abs(found.scale.factor / UNIT_M - 1), abs(found.scale.factor / UNIT_M / 1.02 - 1)
    assert sigma > max(off) * 0.95  # it holds both
    view = found.views["left"]
    assert view.depth_sigma is not None
    assert float(np.min(view.depth_sigma / view.depth)) > 0.95 * max(off)
    assert found.verdict_reasons == ()  # below 5 % an error says it


@pytest.mark.parametrize(
    ("options", "rig"),
    [(replace(LEFT, baseline_m=PLANE.baseline_m), Rig()), (LEFT, METRIC)],
    ids=["baseline", "rig"],
)
def test_a_network_alone_makes_no_metres_of_a_baseline(options: InferOptions, rig: Rig) -> None:
    left_only = Fused(replace(maps_of(PLANE), right=None, pose=None), None)
    for alone in (fused(), left_only):
        found = solve_geometry(alone, options, rig)
        assert found.unit == "relative"
        assert found.warnings == (
            "scale: only the network says where the right camera is, so a baseline makes no "
            "metres; give `altitude_m`, or refine the pair (`refine` auto); depth stays relative",
        )


def test_scaling_leaves_the_maps_as_they_were() -> None:
    given = fused()
    before = given.maps.left.points.copy()
    solve_geometry(given, replace(LEFT, altitude_m=1.0), Rig())
    np.testing.assert_array_equal(given.maps.left.points, before)
    assert given.maps.pose is not None
    assert np.linalg.norm(given.maps.pose.right_from_left[:3, 3]) < 1


def test_a_rig_that_tells_the_turn_alone_stands_beside_a_baseline() -> None:
    turn = np.eye(4)
    turn[:3, :3] = PLANE.right_from_left[:3, :3]
    options = replace(LEFT, baseline_m=PLANE.baseline_m)
    found = solve_geometry(MEASURED, options, Rig(right_from_left=turn))
    assert found.scale.source is ScaleSource.BASELINE


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
    # Of a network that was asked for alone the plane is taken at its word; the verdict says so.
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
