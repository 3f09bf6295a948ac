from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.geometry.cameras import Intrinsics, pixel_rays
from lunar_runtime.geometry.focal import estimate_intrinsics
from lunar_runtime.geometry.rig import Rig, read_rig

CAMERA = Intrinsics(618.04, 617.0, 250.0, 130.5)


def _write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_convention_pixel_centres_are_at_one_half() -> None:
    rays = pixel_rays(Intrinsics(100, 100, 2.0, 1.5), height=3, width=4)
    # The image spans [0, 4] x [0, 3]: the top-left centre is 1.5 px left of, and 1 px above, the
    # image's centre.
    np.testing.assert_allclose(rays[0, 0], [-0.015, -0.01, 1.0], rtol=1e-6)  # float32
    np.testing.assert_array_equal(rays[1, :, 1], 0.0)


def test_convention_x_is_right_y_is_down_z_is_forward() -> None:
    rays = pixel_rays(CAMERA, 260, 500)
    assert rays.shape == (260, 500, 3)
    assert rays.dtype == np.float32
    assert np.all(np.diff(rays[..., 0], axis=1) > 0)
    assert np.all(np.diff(rays[..., 1], axis=0) > 0)
    assert np.all(rays[..., 2] == 1)


def test_rays_project_back_onto_their_pixels() -> None:
    rays = pixel_rays(CAMERA, 260, 500).astype(np.float64)
    pixels = rays @ CAMERA.matrix().T
    row, column = np.mgrid[:260, :500]
    # float32 rays: 6e-8 of up to 0.5, times the focal length
    np.testing.assert_allclose(pixels[..., 0], column + 0.5, atol=2e-5)
    np.testing.assert_allclose(pixels[..., 1], row + 0.5, atol=2e-5)


def test_rays_of_no_image_are_refused() -> None:
    with pytest.raises(InputError, match="positive size, not 0 × 5"):
        pixel_rays(CAMERA, 0, 5)


def test_matrix_and_back() -> None:
    assert Intrinsics.from_matrix(CAMERA.matrix()) == CAMERA
    assert Intrinsics.from_matrix([[1, 0, 2], [0, 3, 4], [0, 0, 1]]) == Intrinsics(1, 3, 2, 4)


@pytest.mark.parametrize(
    ("matrix", "text"),
    [
        ([[1, 0.1, 2], [0, 3, 4], [0, 0, 1]], "skew"),
        ([[1, 0, 2], [0, 3, 4], [0, 0, 2]], "not supported"),
        ([[1, 0, 2], [0, 3, 4]], "3 × 3, not 2 × 3"),
        ([[-1, 0, 2], [0, 3, 4], [0, 0, 1]], "focal lengths must be positive"),
        ([[1, 0, float("nan")], [0, 3, 4], [0, 0, 1]], "finite"),
        ("matrix", "3 × 3 numbers"),
    ],
)
def test_other_matrices_are_refused(matrix: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        Intrinsics.from_matrix(matrix)


def test_parse_reads_what_the_command_line_takes() -> None:
    assert Intrinsics.parse("618.04, 617,250,130.5") == CAMERA


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("618,618,256", "have 3 numbers, not 4"),
        ("618,618,256,256,0", "have 5 numbers, not 4"),
        ("a,b,c,d", "are not numbers"),
        ("", "are not numbers"),
        ("0,618,256,256", "focal lengths must be positive"),
        ("618,inf,256,256", "must be finite"),
        ("nan,618,256,256", "must be finite"),
    ],
)
def test_parse_says_what_to_write(text: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Intrinsics.parse(text)
    message = str(caught.value)
    assert what in message
    assert message.endswith("write FX,FY,CX,CY in pixels, for example 618.04,618.04,256,256")
    assert "\n" not in message


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


def _pointmap(camera: Intrinsics, height: int = 60, width: int = 80) -> np.ndarray:
    row, column = np.mgrid[:height, :width]
    depth = 30 + 0.05 * row + np.sin(column / 9)
    return np.asarray(depth[..., None] * pixel_rays(camera, height, width).astype(np.float64))


def test_the_focal_of_a_pointmap_is_found() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(97.5, 97.5, 40, 30)))
    # float32 rays carry 6e-8
    np.testing.assert_allclose([camera.fx, camera.fy, camera.cx, camera.cy], [97.5, 97.5, 40, 30])


def test_convention_the_estimated_principal_point_is_the_images_centre() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(50, 50, 3.5, 2.5), 5, 7))
    assert (camera.cx, camera.cy) == (3.5, 2.5)
    assert camera.fx == pytest.approx(50, rel=1e-6)  # float32 rays


def test_the_unit_does_not_change_the_focal() -> None:
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    for scale in (1e-3, 1e4):
        assert estimate_intrinsics(scale * pointmap).fx == pytest.approx(97.5, rel=1e-6)


def test_a_large_pointmap_gives_the_same_focal() -> None:
    camera = estimate_intrinsics(_pointmap(Intrinsics(600, 600, 350, 300), 600, 700))
    assert camera.fx == pytest.approx(600, rel=1e-6)


def test_wrong_points_hardly_move_the_focal() -> None:
    rng = np.random.default_rng(0)
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    wrong = rng.random((60, 80)) < 0.3
    pointmap[wrong, :2] *= rng.uniform(0.2, 5, (np.count_nonzero(wrong), 1))
    # Least squares on the same points is off by over 30 %.
    assert estimate_intrinsics(pointmap).fx == pytest.approx(97.5, rel=0.01)


def test_points_without_confidence_do_not_count() -> None:
    pointmap = _pointmap(Intrinsics(97.5, 97.5, 40, 30))
    confidence = np.ones((60, 80))
    pointmap[:, :60, :2] *= 3
    confidence[:, :60] = 0
    pointmap[5, 70] = np.nan
    pointmap[6, 70, 2] = -1
    confidence[7, 70] = np.nan
    assert estimate_intrinsics(pointmap, confidence).fx == pytest.approx(97.5, rel=1e-6)


def test_a_pointmap_without_points_is_refused() -> None:
    with pytest.raises(InputError, match="no finite point in front of the camera; give `intrin"):
        estimate_intrinsics(np.full((4, 4, 3), np.nan))
    with pytest.raises(InputError, match="no finite point in front of the camera"):
        estimate_intrinsics(-_pointmap(CAMERA))
    with pytest.raises(InputError, match="no finite point in front of the camera"):
        estimate_intrinsics(_pointmap(CAMERA), np.zeros((60, 80)))


def test_a_mirrored_pointmap_is_refused() -> None:
    mirrored = _pointmap(Intrinsics(97.5, 97.5, 40, 30)) * [-1, -1, 1]
    with pytest.raises(InputError, match="not in its own camera's frame"):
        estimate_intrinsics(mirrored)


def test_shapes_are_checked() -> None:
    with pytest.raises(InputError, match=r"pointmap must be \(H, W, 3\), not \(4, 3\)"):
        estimate_intrinsics(np.ones((4, 3)))
    with pytest.raises(InputError, match=r"confidence must be \(4, 5\), not \(5, 4\)"):
        estimate_intrinsics(np.ones((4, 5, 3)), np.ones((5, 4)))


def test_a_camera_scales_with_its_image():
    assert Intrinsics(600, 620, 256, 250).scaled(0.5, 0.25) == Intrinsics(300, 155, 128, 62.5)
