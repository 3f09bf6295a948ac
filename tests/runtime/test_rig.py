"""The rig file: what it gives, and what is refused in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.pose import transform_points
from lunar_runtime.geometry.rig import Rig
from lunar_runtime.geometry.rig_file import read_rig

from .scenes import hilly_scene

CAMERA = Intrinsics(618.04, 617.0, 250.0, 130.5)

ASIDE = [[1.0, 0, 0, -9], [0.0, 1, 0, 0], [0.0, 0, 1, 0], [0.0, 0, 0, 1]]


# Above longitude and latitude 0, looking down, the image's top to the north.
ABOVE = [[0.0, 0, -1, 1_777_400], [1.0, 0, 0, 0], [0.0, -1, 0, 0], [0.0, 0, 0, 1]]


def _write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_convention_right_from_left_maps_left_points_into_the_right_camera(tmp_path: Path) -> None:
    scene = hilly_scene()
    content = {"right_from_left": scene.right_from_left.tolist()}
    pose = read_rig(_write(tmp_path / "rig.json", content)).right_from_left
    assert pose is not None
    there = transform_points(pose, scene.points_left) @ scene.right.matrix().T
    # The same pixels as the scene's own projection: float64 rounding of pixels.
    np.testing.assert_allclose(
        there[..., :2] / there[..., 2:], scene.pixels_right(scene.points_left), atol=1e-9
    )


def test_convention_up_is_against_gravity_in_the_left_cameras_frame(tmp_path: Path) -> None:
    """Of a camera that looks straight down: up is back along its viewing direction, -z."""
    rig = read_rig(_write(tmp_path / "rig.json", {"up_left": [0, 0, -2]}))
    assert rig.up_left is not None
    assert rig.up_left.tolist() == [0, 0, -1]  # -z is up, and no sign was changed on the way


def test_a_whole_rig_is_read(tmp_path: Path) -> None:
    turn = [[0.0, -1, 0, 10], [1.0, 0, 0, 20], [0.0, 0, 1, -0.5], [0.0, 0, 0, 1]]
    content = {
        "left": {"intrinsics": [618.04, 617, 250, 130.5]},
        "right": {"intrinsics": [[500, 0, 1], [0, 500, 2], [0, 0, 1]]},
        "right_from_left": turn,
        "up_left": [0, -3, -4],
    }
    rig = read_rig(_write(tmp_path / "rig.json", content))
    assert rig.left == CAMERA
    assert rig.right == Intrinsics(500, 500, 1, 2)
    assert rig.right_from_left is not None
    assert rig.up_left is not None
    np.testing.assert_allclose(rig.right_from_left, turn, atol=1e-15)
    np.testing.assert_allclose(rig.up_left, [0, -0.6, -0.8], atol=1e-15)  # unit length


def test_what_a_rig_leaves_out_is_none(tmp_path: Path) -> None:
    rig = read_rig(_write(tmp_path / "rig.json", {"left": {"intrinsics": [9, 9, 1, 1]}}))
    assert rig == Rig(left=Intrinsics(9, 9, 1, 1))


def test_a_pose_is_a_start_unless_the_rig_says_that_it_is_fixed(tmp_path: Path) -> None:
    rig = read_rig(_write(tmp_path / "rig.json", {"right_from_left": ASIDE}))
    assert (rig.pose, rig.pose_sigma_deg) == ("initial", (0.02, 0.1))
    content = {"right_from_left": ASIDE, "pose": "fixed", "pose_sigma_deg": [0.5, 2]}
    fixed = read_rig(_write(tmp_path / "rig.json", content))
    assert (fixed.pose, fixed.pose_sigma_deg) == ("fixed", (0.5, 2.0))


def test_a_rig_may_say_what_its_focal_lengths_may_be_off_by(tmp_path: Path) -> None:
    left = {"left": {"intrinsics": [9, 9, 1, 1]}}
    assert read_rig(_write(tmp_path / "rig.json", left)).focal_sigma is None
    rig = read_rig(_write(tmp_path / "rig.json", left | {"focal_sigma": 0.01}))
    assert rig.focal_sigma == 0.01


def test_a_rig_says_how_sure_its_up_is_or_takes_the_default(tmp_path: Path) -> None:
    up = {"up_left": [0, 0, -1]}
    assert read_rig(_write(tmp_path / "rig.json", up)).attitude_sigma_deg == 0.1
    for sigma in (0, 2.5):
        rig = read_rig(_write(tmp_path / "rig.json", up | {"attitude_sigma_deg": sigma}))
        assert rig.attitude_sigma_deg == sigma


def test_a_place_on_the_moon_is_read_with_its_frame(tmp_path: Path) -> None:
    content = {"body_from_left": ABOVE, "body_frame": "MOON_ME"}
    rig = read_rig(_write(tmp_path / "rig.json", content))
    assert rig.body_from_left is not None
    np.testing.assert_array_equal(rig.body_from_left, ABOVE)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"body_from_left": ABOVE}, 'with no body_frame: write "body_frame": "MOON_ME"'),
        (
            {"body_from_left": ABOVE, "body_frame": "MOON_PA"},
            'with body_frame \'MOON_PA\': write "body_frame": "MOON_ME" and a pose in that frame',
        ),
        ({"up_left": [0, 0, -1], "body_frame": "MOON_ME"}, "body_frame is about body_from_left"),
        (
            {"body_from_left": ASIDE, "body_frame": "MOON_ME"},
            "puts the camera 0.009 km from the Moon's centre",
        ),
        ({"body_from_left": ABOVE[:3], "body_frame": "MOON_ME"}, "must be a 4 × 4 matrix"),
    ],
)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, content: Any, text: str) -> None:
    path = _write(tmp_path / "rig.json", content)
    with pytest.raises(InputError, match=re.escape(text)) as refused:
        read_rig(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_a_printed_rotation_becomes_an_exact_one(tmp_path: Path) -> None:
    c, s = round(np.cos(0.3), 6), round(np.sin(0.3), 6)
    content = {"right_from_left": [[c, -s, 0, 1], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]}
    pose = read_rig(_write(tmp_path / "rig.json", content)).right_from_left
    assert pose is not None
    R = pose[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-15)
    np.testing.assert_allclose(R[0, :2], [c, -s], atol=1e-6)  # what six decimals hold


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "not a rig file"),
        ("[1]", "not a rig file"),
        ({}, "the rig is empty"),
        ({"left": {"intrinsics": [1, 2, 3]}}, "left.intrinsics: write four numbers"),
        ({"left": {"intrinsics": ["618", 2, 3, 4]}}, "left.intrinsics: Expected `float`"),
        ({"left": {"intrinsics": [True, 2, 3, 4]}}, "left.intrinsics: Expected `float`"),
        ({"left": {"intrinsics": []}}, "left.intrinsics: write four numbers"),
        ({"left": {"intrinsics": [[1, 0], [0, 1]]}}, "left.intrinsics: write four numbers"),
        ({"left": {"intrinsics": [[1, 1, 0], [0, 1, 0], [0, 0, 1]]}}, "left.intrinsics: .*skew"),
        ({"right": {"intrinsics": [0, 1, 2, 3]}}, "right.intrinsics: focal lengths"),
        ({"left": {"focal": 3}}, "focal"),
        ({"lef": None}, "unknown field `lef`"),
        ({"right_from_left": [[1, 0], [0, 1]]}, "right_from_left must be a 4 × 4 matrix"),
        ({"right_from_left": np.diag([1, 1, -1, 1]).tolist()}, "mirrors"),
        ({"right_from_left": np.diag([2, 2, 2, 1]).tolist()}, "not orthonormal"),
        ({"right_from_left": (np.eye(4) + np.eye(4)[[3]].T).tolist()}, "last row"),
        ({"pose": "fixed"}, "pose is about right_from_left, which the rig lacks"),
        (
            {"up_left": [0, 0, 1], "pose_sigma_deg": [1, 1]},
            "pose_sigma_deg is about right_from_left, which the rig lacks",
        ),
        ({"right_from_left": ASIDE, "pose": "held"}, r"Invalid enum value 'held'.*pose"),
        (
            {"right_from_left": np.eye(4).tolist(), "pose": "fixed"},
            'pose "fixed" needs a baseline, and right_from_left has none',
        ),
        (
            {"right_from_left": ASIDE, "pose_sigma_deg": [0.1, 0]},
            r"pose_sigma_deg must be two positive numbers, not \[0\.1, 0\.0\]",
        ),
        ({"right_from_left": ASIDE, "pose_sigma_deg": [0.1]}, "length 2.*pose_sigma_deg"),
        ({"focal_sigma": 0.01}, "focal_sigma is about left.intrinsics, which the rig lacks"),
        (
            {"left": {"intrinsics": [9, 9, 1, 1]}, "focal_sigma": 2},
            r"focal_sigma 2 must be a share of the focal length, above 0 and below 0\.5: 0\.002 is",
        ),
        ({"attitude_sigma_deg": 1}, "attitude_sigma_deg is about up_left, which the rig lacks"),
        (
            {"up_left": [0, 0, 1], "attitude_sigma_deg": -1},
            "attitude_sigma_deg -1 must be degrees about each axis, from 0 to 30; leave out an up",
        ),
        ({"up_left": [0, 0, 1], "attitude_sigma_deg": 31}, "attitude_sigma_deg 31 must be degrees"),
        ({"up_left": [0, 0, 0]}, "up_left must be three finite numbers, not all zero"),
        ({"up_left": [0, 1]}, "up_left must be three finite numbers"),
    ],
)
def test_a_wrong_rig_is_refused_in_one_line(tmp_path: Path, content: Any, text: str) -> None:
    path = _write(tmp_path / "rig.json", content)
    with pytest.raises(InputError, match=text) as caught:
        read_rig(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_rig_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rig\.json: no such file; check the path"):
        read_rig(tmp_path / "rig.json")


def test_a_lens_is_read_by_opencvs_names(tmp_path: Path) -> None:
    camera = {"intrinsics": [9, 9, 1, 1]}
    content = {
        "left": {**camera, "distortion": {"k1": -0.1, "p2": 0.001, "k6": 2}},
        "right": {**camera, "distortion": {"model": "fisheye", "k4": 0.01}},
    }
    rig = read_rig(_write(tmp_path / "rig.json", content))
    assert rig.distortion_left == Distortion(k1=-0.1, p2=0.001, k6=2)
    assert rig.distortion_right == Distortion(model="fisheye", k4=0.01)


@pytest.mark.parametrize(
    ("distortion", "text"),
    [
        ({"model": "division"}, "left.distortion.model 'division': write brown_conrady or fisheye"),
        ({"k7": 0.1}, "left.distortion: brown_conrady has no k7; it has k1, k2, p1, p2, k3, k4"),
        ({"model": "fisheye", "p1": 0.1}, "left.distortion: fisheye has no p1; it has k1, k2, k3"),
        ({"k1": "-0.1"}, "left.distortion.k1 must be a number, not '-0.1'"),
        ([-0.1, 0, 0, 0], "not a rig file"),
    ],
)
def test_a_lens_of_other_names_is_refused(tmp_path: Path, distortion: object, text: str) -> None:
    content = {"left": {"intrinsics": [9, 9, 1, 1], "distortion": distortion}}
    with pytest.raises(InputError, match=re.escape(text)):
        read_rig(_write(tmp_path / "rig.json", content))
