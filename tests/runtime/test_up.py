"""Which way is up, how surely, and a rig's up that cannot be."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.fuse import Fused
from lunar_runtime.inference.maps import NOMINAL, Maps
from lunar_runtime.inference.result import Refinement, UpEstimate
from lunar_runtime.inference.solve import solve_geometry
from lunar_runtime.inference.up import doubt_up, plane_and_up, plane_sigma_deg

from .known_maps import HILLS, LEFT, PLANE, fused, maps_of, refined
from .scenes import Ground, rigid, two_cameras

DONE = Refinement(reason=None, focal_sigma=0.01)


def leaning(angle_deg: float, attitude_sigma_deg: float = 0.0) -> Rig:
    """The ground's normal, turned by an angle about an axis across it."""
    normal = PLANE.ground.normal
    across = np.cross(normal, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    angle = np.radians(angle_deg)
    up = np.cos(angle) * normal + np.sin(angle) * across
    return Rig(up_left=up, attitude_sigma_deg=attitude_sigma_deg)


def narrower(maps: Maps) -> Maps:
    k = maps.camera_left.intrinsics
    camera = maps.camera_left._replace(intrinsics=Intrinsics(4 * k.fx, 4 * k.fy, k.cx, k.cy))
    return replace(maps, camera_left=camera)


def test_the_planes_points_count_alike() -> None:
    """Confidence is largest where the ground is near; it does not turn the plane."""
    maps = maps_of(HILLS)
    uneven = maps.left.confidence.copy()
    uneven[:20] = 100
    plane, _, _ = plane_and_up(maps, Rig(), plane_needed=True)
    other, _, _ = plane_and_up(
        replace(maps, left=replace(maps.left, confidence=uneven)), Rig(), plane_needed=True
    )
    assert plane is not None
    assert other is not None
    np.testing.assert_array_equal(plane.normal, other.normal)


def test_up_from_the_plane_errs_by_its_relief_and_up_from_the_rig_by_its_attitude() -> None:
    _, up, _ = plane_and_up(maps_of(PLANE), Rig(), plane_needed=False)
    assert up.source == "plane"
    assert up.sigma_deg == pytest.approx(2.2, abs=0.3)  # level ground, a field of 49 degrees
    _, told, _ = plane_and_up(maps_of(PLANE), leaning(3), plane_needed=False)
    assert (told.source, told.sigma_deg) == ("rig", 0.0)
    _, unsure, _ = plane_and_up(maps_of(PLANE), leaning(3, 0.3), plane_needed=False)
    assert unsure.sigma_deg == pytest.approx(0.3 * np.sqrt(2))  # about two axes
    _, silent, _ = plane_and_up(maps_of(PLANE), Rig(up_left=told.vector), plane_needed=False)
    assert silent.sigma_deg == pytest.approx(0.1 * np.sqrt(2))


def test_the_planes_error_grows_with_relief_and_as_the_field_shrinks() -> None:
    level = plane_sigma_deg(maps_of(PLANE))
    bent = two_cameras(Ground(relief_m=100.0, hill_m=2000.0), size=64)
    assert plane_sigma_deg(maps_of(bent)) > 1.5 * level
    # 13 degrees instead of 49: windows of true ground lie 8 degrees from the whole view's plane.
    assert plane_sigma_deg(narrower(maps_of(PLANE))) == pytest.approx(8, abs=0.3)


def test_how_level_a_narrow_view_is_is_a_doubt_and_of_a_wide_one_its_error() -> None:
    bent = maps_of(two_cameras(Ground(relief_m=100.0, hill_m=2000.0), size=64))
    for maps, doubted in ((narrower(bent), True), (bent, False)):
        plane, up, _ = plane_and_up(maps, Rig(), plane_needed=True)
        _, doubts = doubt_up(plane, up, maps, refined=True, posed=False)
        assert up.sigma_deg > 4
        assert bool(doubts) is doubted
        assert all("level is known to" in doubt for doubt in doubts)


def test_under_a_nominal_camera_part_of_its_field_is_sure_to_be_seen() -> None:
    maps = maps_of(PLANE)
    _, known, _ = plane_and_up(maps, Rig(), plane_needed=False)
    nominal = replace(maps, camera_left=maps.camera_left._replace(source=NOMINAL))
    _, up, _ = plane_and_up(nominal, Rig(), plane_needed=False)
    assert up.sigma_deg == pytest.approx(7, abs=0.5)  # of 19.5 degrees
    assert known.sigma_deg < up.sigma_deg / 2


def test_a_view_with_one_quarter_of_ground_is_as_sure_as_level_ground() -> None:
    maps = maps_of(PLANE)
    points = maps.left.points.copy()
    points[32:], points[:, 32:] = np.nan, np.nan
    found = plane_sigma_deg(replace(maps, left=replace(maps.left, points=points)))
    assert found == pytest.approx(plane_sigma_deg(maps), abs=0.01)


def test_the_error_of_up_is_in_every_slopes() -> None:
    by_plane, by_rig = (
        solve_geometry(refined(sigma=1e-4), LEFT, rig).views["left"].slope_sigma
        for rig in (Rig(), leaning(0.0))
    )
    assert by_plane is not None
    assert by_rig is not None
    sigma = plane_sigma_deg(maps_of(PLANE))  # all of it: measured from its own plane, it is level
    np.testing.assert_allclose(by_plane, np.hypot(by_rig, sigma), rtol=1e-3)


def test_the_focal_lengths_error_is_in_every_slope_by_its_steepness() -> None:
    """Depth, and so a slope's tangent, goes with the focal length."""
    given, up = refined(sigma=1e-4), leaning(20.0)
    expected = given.maps.left.expected
    assert expected is not None
    left = replace(given.maps.left, expected=expected._replace(focal_sigma=0.1))
    sure, unsure = (
        solve_geometry(one, LEFT, up).views["left"].slope_sigma
        for one in (given, Fused(replace(given.maps, left=left), given.refinement))
    )
    assert sure is not None
    assert unsure is not None
    of_focal = np.degrees(np.sin(np.radians(40.0)) / 2 * 0.1)
    np.testing.assert_allclose(np.sqrt(unsure**2 - sure**2), of_focal, rtol=0.01)


X, Y, Z = (float(part) for part in PLANE.ground.normal)
LEANING = tuple(np.asarray(leaning(70.0).up_left).tolist())


@pytest.mark.parametrize(
    ("up", "cause"),
    [
        ((-X, -Y, -Z), "; it points down: change its sign"),
        ((X, -Y, -Z), r".*its axes are OpenGL's \(y up, z back\): change the signs of y and z"),
        (LEANING, "$"),
    ],
)
def test_an_up_that_cannot_be_is_refused(up: tuple[float, float, float], cause: str) -> None:
    """Upside down, or of other axes: slopes of a whole view of 60 degrees and more."""
    with pytest.raises(
        InputError,
        match=r"the rig's up_left is \d+ degrees from the normal of the ground; it is the "
        "direction against gravity in the left camera's frame, x right, y down, z forward" + cause,
    ):
        solve_geometry(Fused(maps_of(PLANE), DONE), LEFT, Rig(up_left=np.array(up)))


def test_where_the_network_is_alone_the_rig_is_not_blamed() -> None:
    with pytest.raises(
        InputError,
        match="the rig's up_left and the ground as the network alone sees it are 70 degrees apart, "
        "and nothing tells which of them is wrong",
    ):
        solve_geometry(fused(), LEFT, leaning(70.0))


@pytest.mark.parametrize("turned_deg", [8.0, 20.0])
def test_c13_an_up_that_fits_the_right_camera_is_of_exchanged_images(turned_deg: float) -> None:
    """The rig's up, as the right camera of the pair sees the ground's normal."""
    maps = maps_of(PLANE)
    assert maps.pose is not None
    pose = maps.pose.right_from_left.copy()
    pose[:3, :3] = rigid((np.radians(turned_deg), 0, 0), (0, 0, 0))[:3, :3]
    turned = replace(maps, pose=replace(maps.pose, right_from_left=pose))
    plane, _, _ = plane_and_up(turned, Rig(), plane_needed=False)
    assert plane is not None
    told = UpEstimate(pose[:3, :3] @ plane.normal, "rig")
    text = f"is {turned_deg:.0f} degrees from the normal .* and 0 as the right one does"
    if turned_deg > 12:
        with pytest.raises(InputError, match=text + r"; are the images exchanged\?"):
            doubt_up(plane, told, turned, refined=True, posed=False)
        return
    # A pose that was told, and agrees, is not that of exchanged images.
    assert not any(
        "exchanged" in one for one in doubt_up(plane, told, turned, refined=True, posed=True)[1]
    )
    up, (doubt,) = doubt_up(plane, told, turned, refined=True, posed=False)
    assert re.search(text, doubt)
    assert up.sigma_deg == pytest.approx(turned_deg, abs=0.1)


@pytest.mark.parametrize(
    ("angle_deg", "verdict"), [(3.0, "measured"), (11.0, "measured"), (14.0, "guessed")]
)
def test_ground_that_is_tilted_as_a_whole_is_doubted(angle_deg: float, verdict: str) -> None:
    found = solve_geometry(Fused(maps_of(PLANE), DONE), LEFT, leaning(angle_deg))
    assert found.verdict == verdict
    if verdict == "guessed":
        assert found.verdict_reasons == ("the ground is tilted by 14 degrees against the rig's up",)


def test_an_attitude_that_may_be_wrong_is_doubted_later() -> None:
    """14 degrees off is four sigmas of this plane; with 10 degrees more about each axis, one."""
    sure, unsure = (
        solve_geometry(Fused(maps_of(PLANE), DONE), LEFT, leaning(14.0, sigma))
        for sigma in (0.1, 10.0)
    )
    assert (sure.verdict, unsure.verdict) == ("guessed", "measured")
    assert unsure.up.sigma_deg == pytest.approx(10 * np.sqrt(2))


@pytest.mark.parametrize(("angle_deg", "expected"), [(4.0, 0.0), (11.0, 11.0), (20.0, 20.0)])
def test_an_up_far_from_the_plane_may_be_as_far_off(angle_deg: float, expected: float) -> None:
    """The field is 45 degrees and the ground even: the plane is level to 2.2 degrees."""
    found = solve_geometry(Fused(maps_of(PLANE), DONE), LEFT, leaning(angle_deg))
    assert found.up.sigma_deg == pytest.approx(expected, abs=0.1)


def test_without_a_plane_or_a_rig_nothing_is_doubted() -> None:
    plane, up, _ = plane_and_up(maps_of(PLANE), Rig(), plane_needed=False)
    assert doubt_up(plane, up, maps_of(PLANE), refined=True, posed=False) == (up, ())
    told = UpEstimate(-PLANE.ground.normal, "rig")
    assert doubt_up(None, told, maps_of(PLANE), refined=True, posed=False) == (told, ())
