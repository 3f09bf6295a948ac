"""Frames of any shape and size, and windows of them, from the images to the result.

C23 and C24 of the shared cases, and their kin, on ground in closed form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_runtime import StereoResult, StereoRuntime, infer_geometry_only
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.geometry.rig import Rig
from numpy.typing import NDArray

from .outcomes import Outcome
from .scenes import hilly_scene

SCENE = hilly_scene(256)
RIG = Rig(SCENE.left, SCENE.right, SCENE.right_from_left)
# Of Z. The images of 256 x 256 px give 0.07 %, cuts of them 0.04 to 0.14 %, and 0.34 % at 64 rows.
WITHIN = 0.003


@pytest.fixture(scope="module")
def runtime() -> Iterator[StereoRuntime]:
    with StereoRuntime.load(threads=1) as loaded:
        yield loaded


def error(depth: NDArray[np.float32], truth: NDArray[np.float64]) -> float:
    """Median relative error of metres; nothing is aligned."""
    assert depth.shape == truth.shape
    return float(np.nanmedian(np.abs(depth / truth - 1)))


def cut(camera: Intrinsics, x: int, y: int) -> Intrinsics:
    return Intrinsics(camera.fx, camera.fy, camera.cx - x, camera.cy - y)


@pytest.mark.parametrize("size", [(256, 170), (256, 128), (128, 256)])
def test_c24_the_whole_frame_is_measured(runtime: StereoRuntime, size: tuple[int, int]) -> None:
    width, height = size
    x, y = (256 - width) // 2, (256 - height) // 2
    part = slice(y, y + height), slice(x, x + width)
    rig = Rig(cut(SCENE.left, x, y), cut(SCENE.right, x, y), SCENE.right_from_left)
    found = runtime.infer(SCENE.grey_left[part], SCENE.grey_right[part], rig)
    assert found.verdict == "measured"
    assert found.depth.shape == (height, width)
    assert np.isfinite(found.depth).all()
    assert found.mapping.crop == (0, 0, width, height)
    assert error(found.depth, SCENE.depth_left[part]) < WITHIN
    assert found.network is not None
    assert found.network.pointmap_left.shape[:2] == (
        height * 256 // max(size),
        width * 256 // max(size),
    )


def test_c24_the_network_alone_says_nothing_beside_the_frame(runtime: StereoRuntime) -> None:
    part = slice(64, 192)
    found = runtime.infer(SCENE.grey_left[part], SCENE.grey_right[part], refine="off", view="both")
    assert found.depth.shape == found.views["right"].depth.shape == (128, 256)
    assert found.mapping.crop == (0, 0, 256, 128)
    assert found.camera_left.intrinsics.cy == 64


@pytest.mark.parametrize("factor", [0.75, 1.5])
def test_c23_a_right_image_of_another_size_is_used_with_its_own_camera(
    runtime: StereoRuntime, factor: float
) -> None:
    """Both views; the right one's grid is that of its own image."""
    size = round(256 * factor)
    mode = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    right = np.asarray(cv2.resize(SCENE.grey_right, (size, size), interpolation=mode), np.uint8)
    rig = Rig(SCENE.left, SCENE.right.scaled(factor, factor), SCENE.right_from_left)
    found = runtime.infer(SCENE.grey_left, right, rig, view="both")
    assert found.verdict == "measured"
    assert error(found.depth, SCENE.depth_left) < WITHIN
    grid = min(size, 256)  # no finer than the left one
    truth = cv2.resize(SCENE.depth_right, (grid, grid), interpolation=cv2.INTER_AREA)
    assert error(found.views["right"].depth, np.asarray(truth)) < WITHIN
    assert found.mapping_right.source_size == (size, size)
    assert found.mapping_right.to_source(found.camera_right.intrinsics).fx == pytest.approx(
        SCENE.right.fx * factor
    )


def test_c23_without_its_own_camera_it_is_refused(runtime: StereoRuntime) -> None:
    with pytest.raises(InputError, match="images of two sizes need a `rig` with the intrinsics"):
        runtime.infer(SCENE.grey_left, SCENE.grey_right[:200], Rig(left=SCENE.left))
    with pytest.raises(InputError, match="images of two sizes need a `rig` with the intrinsics"):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right[:200], intrinsics=SCENE.left)


def of_windows(found: StereoResult, x: int, y: int, width: int, height: int) -> None:
    assert found.mapping.crop == (x, y, width, height)
    assert found.mapping.source_size == (256, 256)
    assert found.mapping.to_source(found.camera_left.intrinsics) == SCENE.left
    truth = SCENE.depth_left[y : y + height, x : x + width]
    assert error(found.depth, truth) < WITHIN


def test_in_a_window_rig_and_depth_stay_where_they_are(runtime: StereoRuntime) -> None:
    window = (30, 50, 200, 160)
    of_windows(runtime.infer(SCENE.grey_left, SCENE.grey_right, RIG, window=window), *window)


def test_each_image_may_have_its_window() -> None:
    left, right = (40, 30, 180, 200), (10, 0, 240, 220)
    found = infer_geometry_only(SCENE.grey_left, SCENE.grey_right, RIG, window=(left, right))
    of_windows(found, *left)
    assert found.mapping_right.crop == right
    assert found.right.grey.shape == (220, 240)


def test_fewer_pixels_are_given_where_fewer_are_asked_for() -> None:
    found = infer_geometry_only(SCENE.grey_left, SCENE.grey_right, RIG, longest_px=128)
    assert found.depth.shape == (128, 128)
    truth = SCENE.depth_left.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert error(found.depth, truth) < WITHIN


def test_a_window_is_what_would_be_seen_of_a_cut_image() -> None:
    window = (30, 50, 200, 160)
    part = slice(50, 210), slice(30, 230)
    rig = Rig(cut(SCENE.left, 30, 50), cut(SCENE.right, 30, 50), SCENE.right_from_left)
    whole = infer_geometry_only(SCENE.grey_left, SCENE.grey_right, RIG, window=window)
    alone = infer_geometry_only(SCENE.grey_left[part], SCENE.grey_right[part], rig)
    np.testing.assert_array_equal(whole.depth, alone.depth)
    np.testing.assert_array_equal(whole.slope, alone.slope)


def test_the_networks_own_camera_looks_through_the_middle_of_the_image(
    runtime: StereoRuntime,
) -> None:
    """Not of its window: there is one camera, whatever part of its images is taken."""
    windows = (0, 0, 128, 128), (64, 64, 192, 192)
    found = runtime.infer(SCENE.grey_left, SCENE.grey_right, window=windows, refine="off")
    left = found.mapping.to_source(found.camera_left.intrinsics)
    right = found.mapping_right.to_source(found.camera_right.intrinsics)
    assert (left.cx, left.cy) == (right.cx, right.cy) == (128, 128)
    assert right.fx == pytest.approx(left.fx)


@pytest.mark.parametrize(
    ("window", "error_type", "text"),
    [
        ((0, 0, 300, 200), InputError, "left array: `window` 0,0,300,200 leaves the image"),
        (((0, 0, 99, 99), (200, 0, 99, 99)), InputError, "right array: `window` 200,0,99,99 leav"),
        ((0, 0, 20, 200), InputError, "left array: 20x200 px is too small"),
        ((0, 0, 20), UsageError, "give X,Y,W,H in whole pixels"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    window: tuple[int, ...], error_type: type[Exception], text: str
) -> None:
    with pytest.raises(error_type, match=text):
        infer_geometry_only(SCENE.grey_left, SCENE.grey_right, RIG, window=window)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "left.png", tmp_path / "right.png"]
    for path, image in zip(paths, (SCENE.grey_left, SCENE.grey_right), strict=True):
        cv2.imwrite(str(path), image)
    return paths


def test_depth_of_a_window_can_be_put_back(
    infer: Callable[..., Outcome], files: list[Path], tmp_path: Path
) -> None:
    K = SCENE.left
    given = ["--intrinsics", f"{K.fx},{K.fy},{K.cx},{K.cy}", "--geometry-only", "--json"]
    out = tmp_path / "out"
    outcome = infer(*files, *given, "--window", "30,50,200,160,20,40,220,180", "--out", out)
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert report["left"]["window"] == [30, 50, 200, 160]
    assert report["right"]["window"] == [20, 40, 220, 180]
    assert (report["left"]["width"], report["left"]["height"]) == (256, 256)
    assert report["camera_left"]["image_px"] == pytest.approx([K.fx, K.fy, K.cx, K.cy])
    assert b'"LUNAR_CROP">30 50 200 160</Item>' in (out / "depth.tif").read_bytes()
    assert read_raster(out / "depth.tif").shape == (160, 200)


@pytest.mark.parametrize(
    ("window", "code", "text"),
    [
        ("0,0,300,200", 3, "left.png: --window 0,0,300,200 leaves the image, which has 256x256"),
        ("0,0,300", 2, "--window 0,0,300: give X,Y,W,H in whole pixels"),
        ("0,0,0,5", 2, "--window 0,0,0,5: X and Y start at 0, W and H at 1"),
    ],
)
def test_wrong_windows_are_one_line(
    infer: Callable[..., Outcome],
    files: list[Path],
    tmp_path: Path,
    window: str,
    code: int,
    text: str,
) -> None:
    outcome = infer(*files, "--window", window, "--out", tmp_path / "out")
    assert outcome.code == code
    assert outcome.err.count("\n") == 1
    assert text in outcome.err
    assert not (tmp_path / "out").exists()
