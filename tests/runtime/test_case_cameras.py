"""Shared cases of cameras: what was told and cannot be is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime import StereoRuntime, infer_geometry_only
from lunar_runtime.errors import InputError
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.lens import Distortion
from lunar_runtime.geometry.rig import Rig, RigPose
from lunar_runtime.geometry.rig_file import read_rig
from lunar_runtime.inference.pair import Image

from .cases import DATA, NADIR, OBLIQUE, Known, case, frame, known
from .lenses import inner, taken_through


@pytest.fixture(scope="module")
def packaged() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as runtime:
        yield runtime


def test_c12_an_up_that_points_down_is_refused() -> None:
    rig = read_rig(case("rig_up_down.json"))
    with pytest.raises(InputError, match=r"up_left is 17\d degrees from the normal of the ground"):
        infer_geometry_only(frame(OBLIQUE, 432), frame(OBLIQUE, 433), rig)


def window(pair: Known, at: tuple[int, int], size: int) -> tuple[Known, Intrinsics]:
    """A window of the left image, the one of the right image that shows its middle, and its K."""
    k, middle = pair.camera, np.array(at) + size // 2
    z = pair.depth_m[middle[1], middle[0]]
    point = np.array([(middle[0] - k.cx) / k.fx, (middle[1] - k.cy) / k.fy, 1.0]) * z
    seen = pair.right_from_left[:3, :3] @ point + pair.right_from_left[:3, 3]
    there = (seen[:2] / seen[2] * [k.fx, k.fy] + [k.cx, k.cy]).astype(int) - size // 2
    cut = [np.s_[y : y + size, x : x + size] for x, y in (at, there)]
    left, right = (Intrinsics(k.fx, k.fy, k.cx - x, k.cy - y) for x, y in (at, there))
    return (
        Known(
            pair.left[cut[0]], pair.right[cut[1]], left, pair.right_from_left, pair.depth_m[cut[0]]
        ),
        right,
    )


SCENES = [(NADIR, 576, "Nadir_paire2"), (OBLIQUE, 432, "Oblique_paire1")]


@pytest.mark.parametrize("change", [{"f": 1.05}, {"f": 0.95}, {"cx": 30.0}])
@pytest.mark.parametrize("scene", SCENES)
def test_c07_intrinsics_that_are_wrong_do_not_fit_the_rig(
    scene: tuple[str, int, str],
    change: dict[str, float],
) -> None:
    pair = known(*scene)
    k, f = pair.camera, change.get("f", 1.0)
    wrong = Intrinsics(f * k.fx, f * k.fy, k.cx + change.get("cx", 0.0), k.cy)
    rig = pair.rig(left=wrong, right=wrong)
    try:
        found = infer_geometry_only(pair.left, pair.right, rig)
    except InputError:
        return
    assert found.verdict == "guessed"


def apollo() -> tuple[Path, Path, Rig]:
    """Two frames of Apollo 15 with their cameras."""
    folder, names = DATA / "apollo15", ("AS15-M-0297_SML.png", "AS15-M-0298_SML.png")
    if not (folder / "cameras.json").exists():
        pytest.skip(f"no file {folder / 'cameras.json'} (LUNAR_DATA)")
    told = json.loads((folder / "cameras.json").read_text())["cameras"]
    poses = [np.array(told[name]["cam2world_refined"]) for name in names]
    left, right = (Intrinsics.from_matrix(np.array(told[name]["intrinsics"])) for name in names)
    return (
        folder / names[0],
        folder / names[1],
        Rig(left, right, np.linalg.inv(poses[1]) @ poses[0]),
    )


@pytest.mark.parametrize("scene", [*SCENES, None])
def test_c06_a_full_rig_with_intrinsics_of_twice_the_size_is_refused(
    scene: tuple[str, int, str] | None, packaged: StereoRuntime
) -> None:
    left: Image
    right: Image
    if scene is None:
        left, right, rig = apollo()
    else:
        pair = known(*scene)
        left, right, rig = pair.left, pair.right, pair.rig()
    assert rig.left is not None
    assert rig.right is not None
    wrong = replace(rig, left=rig.left.scaled(2, 2), right=rig.right.scaled(2, 2))
    with pytest.raises(InputError):
        packaged.infer(left, right, wrong)


def test_c04_a_camera_that_stood_still_gives_no_metres(packaged: StereoRuntime) -> None:
    left = frame(NADIR, 576)
    noise = np.random.default_rng(0).normal(0, 1, left.shape)
    right = np.clip(left + noise, 0, 255).astype(np.uint8)
    found = packaged.infer(left, right, baseline_m=100.0)
    assert (found.unit, found.verdict) == ("relative", "guessed")


@pytest.mark.parametrize(("shift", "zoom"), [((-17.3, 4.6), 1.0), ((-12.0, -12.0), 1.05)])
def test_c04_an_image_and_a_copy_of_it_are_no_measurement(
    shift: tuple[float, float], zoom: float
) -> None:
    pair = known(OBLIQUE, 432, "Oblique_paire1")
    move = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    copy = cv2.warpAffine(
        pair.left, move, (512, 512), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    rig = Rig(pair.camera, pair.camera)
    found = infer_geometry_only(pair.left, np.asarray(copy), rig, baseline_m=1000.0)
    assert found.verdict == "guessed"
    assert any("differ by a plane's motion" in reason for reason in found.verdict_reasons)
    clean = infer_geometry_only(pair.left, pair.right, rig, baseline_m=11337.0)
    assert clean.verdict == "measured"


def test_c13_exchanged_images_are_found_by_the_rigs_up() -> None:
    pair = known(OBLIQUE, 432, "Oblique_paire1")
    up = read_rig(case("rig_crop_up.json")).up_left
    rig = Rig(pair.camera, pair.camera, up_left=up)
    infer_geometry_only(pair.left, pair.right, rig, altitude_m=24429.0)
    with pytest.raises(InputError, match="are the images exchanged"):
        infer_geometry_only(pair.right, pair.left, rig, altitude_m=24429.0)


@pytest.mark.parametrize("k1", [-0.1, -0.25])
def test_c14_a_lens_that_nobody_told_is_found_and_one_that_is_told_costs_nothing(k1: float) -> None:
    pair, margin, lens = known(NADIR, 576, "Nadir_paire2"), 36, Distortion(k1=k1)
    k, middle = inner(pair.camera, 512, margin)
    images = pair.left, pair.right
    bent_left, bent_right = (taken_through(one, pair.camera, lens, margin) for one in images)
    left, right = (one[middle, middle] for one in images)
    truth = pair.depth_m[middle, middle]
    rig = pair.rig(left=k, right=k)
    without = infer_geometry_only(left, right, rig)
    told = infer_geometry_only(
        bent_left, bent_right, replace(rig, distortion_left=lens, distortion_right=lens)
    )
    assert told.verdict == "measured"
    errors = [np.nanmedian(np.abs(one.depth / truth - 1)) for one in (told, without)]
    # Their poses differ by chance, and with them all depths: by 0.03 % and 0.05 % was seen.
    assert errors[0] < errors[1] + 6e-4
    untold = infer_geometry_only(bent_left, bent_right, Rig(k, k), altitude_m=31800.0)
    assert untold.verdict == "guessed"
    assert any("a lens with k1 -" in reason for reason in untold.verdict_reasons)


@pytest.mark.parametrize("pose", ["initial", "fixed"])
@pytest.mark.parametrize("size", [96, 160])
def test_c19_a_narrow_field_rests_on_the_rigs_pose(size: int, pose: RigPose) -> None:
    pair, right = window(known(NADIR, 576, "Nadir_paire2"), (200, 180), size)
    rig = Rig(pair.camera, right, pair.right_from_left, pose=pose)
    found = infer_geometry_only(pair.left, pair.right, rig)
    assert found.unit == "m"
    # Of slopes it says that nobody knows what is level in so narrow a field.
    assert any(reason.startswith("level is known") for reason in found.verdict_reasons)
    assert np.nanmedian(found.depth / pair.depth_m) == pytest.approx(1, abs=5e-3)
    sigma = found.views["left"].depth_sigma
    assert sigma is not None
    assert np.nanmedian(np.abs(found.depth - pair.depth_m) / sigma) < 2
