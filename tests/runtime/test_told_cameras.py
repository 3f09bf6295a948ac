"""Cameras and lengths that cannot be, by numbers alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from lunar_runtime import infer_geometry_only
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.window import Window
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.pair import read_pair
from lunar_runtime.inference.result import Refinement
from lunar_runtime.inference.told_cameras import check_told_cameras, doubt_size

from .scenes import Scene, hilly_scene

SCENE = hilly_scene()
IMAGES = read_pair(SCENE.grey_left, SCENE.grey_right)
POSE = SCENE.right_from_left  # 252 m
RIG = Rig(SCENE.left, SCENE.left, POSE)


def camera(f: float = 141.0, cx: float = 64.0, cy: float = 64.0) -> Intrinsics:
    return Intrinsics(f, f, cx, cy)


def test_intrinsics_in_python_are_no_bare_numbers() -> None:
    with pytest.raises(UsageError, match=r"`intrinsics`: make them with Intrinsics\(fx, fy, cx"):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, intrinsics=(141, 141, 64, 64))  # type: ignore[arg-type]


@pytest.mark.parametrize("focal", [3.0, 1e7])
def test_a_focal_length_that_no_camera_has_is_refused(focal: float) -> None:
    text = r"fx .* px makes a field of view of .* degrees of 128 px; write FX,FY,CX,CY in pixels"
    with pytest.raises(UsageError, match="`intrinsics` of the left camera: " + text):
        check_told_cameras(IMAGES, InferOptions(intrinsics=camera(focal)), Rig())
    with pytest.raises(InputError, match="`intrinsics` of the right camera: " + text):
        check_told_cameras(IMAGES, InferOptions(), Rig(camera(), camera(focal)))


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"pose": "fixd"}, r"pose 'fixd'; choose one of initial, fixed"),
        ({"right_from_left": np.ones((4, 4))}, r"right_from_left: the last row must be"),
        ({"right_from_left": POSE[:3]}, r"right_from_left must be a 4 × 4 matrix"),
        ({"right_from_left": POSE @ np.diag([1, 1, -1, 1])}, r"the rotation mirrors"),
        ({"right_from_left": POSE @ np.diag([2, 2, 2, 1])}, r"the rotation is not orthonormal"),
        ({"right_from_left": POSE.tolist()}, r"right_from_left must be a NumPy array, not a list"),
        ({"up_left": [0, 0, -1]}, r"up_left must be a NumPy array, not a list"),
        ({"pose_sigma_deg": (0.0, 0.1)}, r"pose_sigma_deg must be two positive numbers"),
        ({"attitude_sigma_deg": float("nan")}, r"attitude_sigma_deg nan must be degrees about"),
        ({"focal_sigma": -1.0}, r"focal_sigma -1 must be a share of the focal length"),
        ({"left": SCENE.left.matrix()}, r"left camera: make it with Intrinsics\(fx, fy, cx, cy\)"),
    ],
)
def test_a_rig_made_in_python_is_checked_as_a_file_is(told: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match="^rig[:,].*" + text):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, replace(RIG, **told))


@pytest.mark.parametrize(("cx", "cy"), [(-1e9, 64.0), (64.0, 1e4)])
def test_a_principal_point_that_no_ray_comes_near_is_refused(cx: float, cy: float) -> None:
    text = r"c[xy] .* px is so far from an image of 128 px that no ray .*; write FX,FY,CX,CY in pix"
    with pytest.raises(UsageError, match="`intrinsics` of the left camera: " + text):
        check_told_cameras(IMAGES, InferOptions(intrinsics=camera(cx=cx, cy=cy)), Rig())
    crop = Rig(camera(cx=-300.0, cy=500.0))  # of an oblique view's corner
    assert check_told_cameras(IMAGES, InferOptions(), crop) == (None, None)


@pytest.mark.parametrize("focal", [24.0, 141.0, 1e5])
def test_wide_and_narrow_cameras_are_taken(focal: float) -> None:
    assert check_told_cameras(IMAGES, InferOptions(), Rig(camera(focal))) == (None, None)


@pytest.mark.parametrize("times", [2.0, 0.5])
def test_c06_intrinsics_of_an_image_of_another_size_are_doubted(times: float) -> None:
    k = SCENE.left.scaled(times, times)
    size = f"{128 * times:.0f}x{128 * times:.0f}"
    (doubt,) = doubt_size(IMAGES, InferOptions(intrinsics=k), Rig())
    assert doubt.endswith(f"the intrinsics seem to be those of an image of {size} px")
    result = infer_geometry_only(SCENE.grey_left, SCENE.grey_right, intrinsics=k)
    assert doubt in result.verdict_reasons


def test_a_principal_point_near_the_middle_is_no_doubt() -> None:
    for cx, cy in ((64, 64), (70, 58)):
        assert doubt_size(IMAGES, InferOptions(), Rig(camera(cx=cx, cy=cy))) == ()


def test_c07_a_principal_point_anywhere_else_is_a_doubt_unless_a_pose_is_told() -> None:
    for cx, cy in ((40, 110), (200, 20), (64, 80)):
        rig = Rig(camera(cx=cx, cy=cy))
        (doubt,) = doubt_size(IMAGES, InferOptions(), rig)
        assert "% of the image of 128x128 px from its middle" in doubt
        posed = Rig(camera(cx=cx, cy=cy), right_from_left=POSE)
        assert doubt_size(IMAGES, InferOptions(), posed, Refinement(reason=None)) == ()


def test_c06_a_rig_that_the_images_bear_out_is_never_of_another_size() -> None:
    rig = Rig(SCENE.left.scaled(2, 2), right_from_left=POSE)
    assert doubt_size(IMAGES, InferOptions(), rig, Refinement(reason=None)) == ()
    assert len(doubt_size(IMAGES, InferOptions(), rig)) == 1  # nobody asked the images
    with pytest.raises(InputError, match="the images bear out neither them nor the rig's pose"):
        doubt_size(IMAGES, InferOptions(), rig, Refinement(reason="too few matches"))


def test_intrinsics_of_a_window_are_those_of_the_whole_image() -> None:
    window = Window(0, 0, 64, 64)
    images = read_pair(SCENE.grey_left, SCENE.grey_right, (window, window))
    assert doubt_size(images, InferOptions(intrinsics=SCENE.left), Rig()) == ()
    assert len(doubt_size(images, InferOptions(intrinsics=SCENE.left.scaled(2, 2)), Rig())) == 1
    bends = Distortion(k1=-0.2)  # turns back between the window's corner and the whole image's
    seen = Intrinsics(141.0, 141.0, 0.0, 0.0)
    with pytest.raises(InputError, match=r"turns back .* image of 128x128 px"):
        check_told_cameras(images, InferOptions(), Rig(seen, distortion_left=bends))


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_c20_lengths_a_thousand_times_apart_are_refused(factor: float) -> None:
    rig = Rig(SCENE.left, right_from_left=POSE)
    with pytest.raises(InputError, match=r"the rig's baseline of 25\d\.?\d* m is .* `altitude_m`"):
        check_told_cameras(IMAGES, InferOptions(altitude_m=1000.0 * factor), rig)
    with pytest.raises(InputError, match=r"`baseline_m` is .* times the rig's baseline of 25"):
        check_told_cameras(IMAGES, InferOptions(baseline_m=252.0 * factor), rig)


def test_lengths_that_can_be_are_taken() -> None:
    rig = Rig(SCENE.left, right_from_left=POSE)
    check_told_cameras(IMAGES, InferOptions(altitude_m=1000.0), rig)
    check_told_cameras(IMAGES, InferOptions(baseline_m=252.0), rig)
    turned = POSE.copy()
    turned[:3, 3] = 0
    check_told_cameras(IMAGES, InferOptions(baseline_m=252.0), Rig(right_from_left=turned))
    check_told_cameras(IMAGES, InferOptions(altitude_m=1.0), Rig())


@pytest.mark.parametrize("length", [1e12, 1e-6])
def test_a_length_that_is_no_distance_at_the_moon_is_wrong_usage(length: float) -> None:
    for options in (InferOptions(baseline_m=length), InferOptions(altitude_m=length)):
        with pytest.raises(UsageError, match=r"_m` .*: is no distance at the Moon"):
            options.check("all")


def test_c04_a_camera_that_only_turned_gives_no_metres() -> None:
    """The same ground from the same place, turned: a baseline makes nothing of it."""
    turn = np.eye(4)
    turn[:3, :3] = POSE[:3, :3]
    stood = Scene(SCENE.ground, SCENE.left, SCENE.right, turn, 128, 128)
    with pytest.raises(InputError, match=r"a turn of the camera alone|before both cameras"):
        infer_geometry_only(
            stood.grey_left, stood.grey_right, intrinsics=SCENE.left, baseline_m=100.0
        )
