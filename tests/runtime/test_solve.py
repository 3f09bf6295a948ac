"""From pointmaps to depth and slope, where all of it is known in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.scale import ScaleSource
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.maps import PointMap
from lunar_runtime.inference.notes import Notes
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import Refinement
from lunar_runtime.inference.solve import solve_geometry

from .known_maps import BOTH, HILLS, LEFT, PLANE, UNIT_M, UP, fused, maps_of, refined

# Float32 points, after a handful of operations.
ROUNDING = 1e-6
# The pose is fitted to 4096 float32 points; its noise is below a rounding of a pixel, 4e-6.
POSE = 1e-4
# arccos near 0° turns a cosine's float32 rounding into sqrt(2 * 6e-8) rad = 0.02°.
SLOPE_DEG = 0.03


def test_without_a_length_everything_stays_in_the_networks_unit() -> None:
    found = solve_geometry(fused(), LEFT, Rig())
    assert (found.unit, found.scale.source) == ("relative", ScaleSource.RELATIVE)
    np.testing.assert_allclose(found.views["left"].depth, PLANE.depth_left / UNIT_M, rtol=ROUNDING)
    assert found.warnings == ()


def test_convention_depth_is_z_in_each_cameras_own_frame() -> None:
    found = solve_geometry(
        fused(), replace(BOTH, altitude_m=PLANE.ground.height_of_camera_m), Rig()
    )
    assert set(found.views) == {"left", "right"}
    np.testing.assert_allclose(found.views["left"].depth, PLANE.depth_left, rtol=POSE)
    np.testing.assert_allclose(found.views["right"].depth, PLANE.depth_right, rtol=POSE)


def test_convention_both_pointmaps_stay_in_the_left_cameras_frame() -> None:
    found = solve_geometry(
        fused(), replace(BOTH, altitude_m=PLANE.ground.height_of_camera_m), Rig()
    )
    np.testing.assert_allclose(found.pointmap_left, PLANE.points_left, rtol=POSE, atol=0.01)
    assert found.pointmap_right is not None
    np.testing.assert_allclose(found.pointmap_right, PLANE.points_right, rtol=POSE, atol=0.01)


def test_the_right_view_alone_is_only_there_if_it_is_asked_for() -> None:
    found = solve_geometry(fused(), replace(LEFT, view="right"), Rig())
    assert set(found.views) == {"right"}


def test_convention_up_is_the_planes_normal_towards_the_camera_unless_the_rig_knows() -> None:
    found = solve_geometry(fused(), LEFT, Rig())
    assert found.up.source == "plane"
    np.testing.assert_allclose(found.up.vector, PLANE.ground.normal, atol=1e-6)
    assert np.nanmax(found.views["left"].slope) < SLOPE_DEG
    given = solve_geometry(fused(), LEFT, UP)
    assert given.up.source == "rig"
    # The plane's tilt against the direction back to the camera.
    np.testing.assert_allclose(given.views["left"].slope, PLANE.ground.tilt_deg, atol=SLOPE_DEG)
    assert given.plane is not None  # still fitted, for relief


def test_slope_of_hills_is_that_of_their_normals_in_both_views() -> None:
    rig = Rig(up_left=HILLS.ground.normal)
    found = solve_geometry(fused(HILLS), replace(BOTH, smoothing_px=0.0), rig)
    inner = (slice(1, -1), slice(1, -1))
    # Central differences over 28 m of hills of 400 m: up to 0.4 rad * (2 pi 14 / 400)² / 6 = 0.2°.
    np.testing.assert_allclose(found.views["left"].slope[inner], HILLS.slope_deg[inner], atol=0.4)
    normals = HILLS.ground.normals(HILLS.points_right)
    expected = np.degrees(np.arccos(normals @ HILLS.ground.normal))
    np.testing.assert_allclose(found.views["right"].slope[inner], expected[inner], atol=0.4)


def test_the_papers_slope_is_of_the_depth_and_marked() -> None:
    found = solve_geometry(fused(), replace(LEFT, slope="paper"), Rig())
    assert found.warnings == (
        "slope: the paper's, per pixel and per unit of depth; it is not physical",
    )
    assert found.views["left"].slope_sigma is None
    gradient = np.gradient(PLANE.depth_left / UNIT_M)
    expected = np.degrees(np.arctan(np.hypot(*gradient)))
    inner = (slice(1, -1), slice(1, -1))
    np.testing.assert_allclose(found.views["left"].slope[inner], expected[inner], atol=SLOPE_DEG)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (replace(LEFT, view="right"), "`view` right"),
        (replace(LEFT, view="both"), "`view` both"),
    ],
)
def test_what_needs_a_pose_and_has_none_is_refused(options: InferOptions, what: str) -> None:
    maps = replace(maps_of(PLANE), pose=None)
    text = f"{what} needs the right camera's pose, which neither the network's right pointmap nor"
    with pytest.raises(InputError, match=text):
        solve_geometry(Fused(maps, None), options, Rig())
    with pytest.raises(InputError, match=rf"{text}.*gave \(not refined: no stars\)"):
        solve_geometry(Fused(maps, Refinement(reason="no stars")), options, Rig())


def test_a_view_without_a_right_pointmap_is_refused() -> None:
    maps = replace(maps_of(PLANE), right=None)
    with pytest.raises(
        InputError, match=r"`view` right needs the right pointmap, which this bundle does not have"
    ):
        solve_geometry(Fused(maps, None), replace(LEFT, view="right"), Rig())


def test_points_behind_a_camera_become_nan_and_are_counted() -> None:
    maps = maps_of(PLANE)
    points = maps.left.points.copy()
    points[5, :7, 2] = -1.0
    maps = replace(maps, left=replace(maps.left, points=points))
    found = solve_geometry(Fused(maps, None), LEFT, Rig(), notes=Notes.warn("before"))
    assert found.warnings == ("before", "left: 7 of 4096 points lie behind the camera")
    assert np.isnan(found.views["left"].depth).sum() == 7
    assert np.isnan(found.views["left"].slope[5, :7]).all()


def test_a_view_with_nothing_in_front_is_refused() -> None:
    maps = maps_of(PLANE)
    behind = replace(maps, left=replace(maps.left, points=-maps.left.points))
    with pytest.raises(InputError, match="no point of the left view lies in front of its camera"):
        solve_geometry(Fused(behind, None), LEFT, Rig())


def test_ground_on_one_line_has_no_plane_and_the_rigs_up_will_do() -> None:
    maps = maps_of(PLANE)
    points = np.full_like(maps.left.points, np.nan)
    points[32] = maps.left.points[32]
    line = Fused(replace(maps, left=PointMap(points, maps.left.confidence)), None)
    found = solve_geometry(line, LEFT, UP)
    assert found.plane is None
    assert found.warnings == (
        "plane: a plane needs three points that are not on one line; all usable points are",
    )
    for options, rig in ((LEFT, Rig()), (replace(LEFT, altitude_m=5.0), UP)):
        with pytest.raises(InputError, match="not on one line"):
            solve_geometry(line, options, rig)


def test_a_refined_view_has_expected_errors_in_its_unit() -> None:
    options = replace(LEFT, baseline_m=1000.0)
    view = solve_geometry(refined(sigma=0.01), options, Rig()).views["left"]
    assert view.depth_sigma is not None
    np.testing.assert_allclose(view.depth_sigma, 0.01 * view.depth, rtol=1e-6)
    assert view.slope_sigma is not None
    assert np.isfinite(view.slope_sigma).all()
    assert view.refined is not None
    assert view.refined[:32].all()
    assert not view.refined[32:].any()


def test_an_altitude_takes_away_what_all_depths_err_by_together() -> None:
    """It tells the very length that the draws have wrong."""
    given = refined(sigma=0.01)
    expected = given.maps.left.expected
    assert expected is not None
    signs = np.where(np.arange(8) % 2, 0.01, -0.01).astype(np.float32)
    draws = np.broadcast_to(signs[:, None, None], expected.draws.shape)
    left = replace(given.maps.left, expected=expected._replace(draws=draws))
    fused = Fused(replace(given.maps, left=left), given.refinement)
    height_m = PLANE.ground.height_of_camera_m
    by_altitude = solve_geometry(fused, replace(LEFT, altitude_m=height_m), Rig())
    by_baseline = solve_geometry(fused, replace(LEFT, baseline_m=1000.0), Rig())
    assert by_baseline.scale.sigma == pytest.approx(0.01)
    # What is left is an altimeter's own, and a plane's seen 8 degrees from above.
    assert by_altitude.scale.sigma == pytest.approx(0.00065, abs=1e-5)
    sigma = by_altitude.views["left"].depth_sigma
    assert sigma is not None
    # A fifth of each pixel's own sigma is kept.
    np.testing.assert_allclose(sigma, 0.002 * by_altitude.views["left"].depth, rtol=0.06)


def test_an_altitude_over_a_plane_that_tilts_makes_every_depth_less_sure() -> None:
    """Half of the view goes up and down in the draws, and with it the plane and the scale."""
    given = refined(sigma=0.001)
    expected = given.maps.left.expected
    assert expected is not None
    draws = np.zeros_like(expected.draws)
    draws[::2, 16:], draws[1::2, 16:] = 0.02, -0.02
    left = replace(given.maps.left, expected=expected._replace(draws=draws))
    fused = Fused(replace(given.maps, left=left), given.refinement)
    options = replace(LEFT, altitude_m=PLANE.ground.height_of_camera_m)
    view = solve_geometry(fused, options, Rig()).views["left"]
    assert view.depth_sigma is not None
    assert (view.depth_sigma[:28] / view.depth[:28]).min() > 0.005  # nothing was drawn there


def test_twice_the_expected_error_of_depth_is_twice_that_of_slope() -> None:
    """To first order, and on a plane that is tilted enough for the second one not to count.

    It is tilted so far that up has an error as well, which is none of the depth's.
    """
    found = [
        solve_geometry(refined(sigma=sigma), LEFT, UP).views["left"].slope_sigma
        for sigma in (1e-9, 1e-3, 2e-3)
    ]
    none, one, two = (np.square(sigma) for sigma in found if sigma is not None)
    np.testing.assert_allclose(np.sqrt((two - none) / (one - none)), 2, rtol=0.1)


def test_the_networks_view_has_no_expected_errors() -> None:
    view = solve_geometry(fused(), LEFT, Rig()).views["left"]
    assert view.depth_sigma is None
    assert view.slope_sigma is None
    assert view.refined is None


def test_counts_and_warnings_of_earlier_stages_come_first() -> None:
    notes = Notes(("one",), {"pointmap_left": 3})
    found = solve_geometry(fused(), replace(LEFT, slope="paper"), Rig(), notes=notes)
    assert found.warnings[0] == "one"
    assert len(found.warnings) == 2
    assert found.not_finite == {"pointmap_left": 3}
