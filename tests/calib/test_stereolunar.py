from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from lunar_calib import render_pair, sample_spec
from lunar_calib.choices import DepthFormat
from lunar_calib.datasets.exr_depth import read_exr
from lunar_calib.datasets.stereolunar_frames import read_pair, read_view, write_pair
from lunar_calib.datasets.stereolunar_scenes import find_scenes
from lunar_calib.render.reflectance import hapke, hapke_phase
from lunar_calib.render.renderer import sun_vector
from lunar_calib.render.views import RenderedPair
from lunar_calib.specs import pinhole
from lunar_runtime.errors import InputError

from .conftest import DATA


@pytest.fixture(scope="module")
def pair() -> RenderedPair:
    return render_pair(sample_spec(3, 64, "stereolunar", "nadir"))


@pytest.mark.parametrize("depth", ["npz", "exr"])
def test_what_is_written_is_read_back_exactly(
    tmp_path: Path, pair: RenderedPair, depth: DepthFormat
) -> None:
    if depth == "exr":
        pytest.importorskip("OpenEXR", reason="EXR needs the [ground] extra")
    left, right = write_pair(pair, tmp_path / "paire1", 6, depth=depth)
    assert left.name == "im_00006"
    again = read_pair(left, right)
    for ours, theirs in ((pair.left, again.left), (pair.right, again.right)):
        np.testing.assert_array_equal(ours.image, theirs.image)
        np.testing.assert_array_equal(ours.depth_m, theirs.depth_m)
        np.testing.assert_array_equal(ours.intrinsics, theirs.intrinsics)
        np.testing.assert_array_equal(ours.cam2world, theirs.cam2world)
    np.testing.assert_array_equal(pair.right_from_left, again.right_from_left)


def test_jpeg_images_are_read_too(tmp_path: Path, pair: RenderedPair) -> None:
    left, right = write_pair(pair, tmp_path, image="jpg")
    # Quality 95 of a smooth image.
    difference = read_pair(left, right).left.image.astype(float) - pair.left.image
    assert difference.std() < 3


def test_scenes_are_found_in_folders_below(tmp_path: Path, pair: RenderedPair) -> None:
    for name, number in (("b/paire2", 2), ("a/paire1", 0)):
        write_pair(pair, tmp_path / name, number)
    scenes = find_scenes(tmp_path)
    assert [s.folder.name for s in scenes] == ["paire1", "paire2"]
    assert scenes[1].numbers == (2, 3)
    assert scenes[0].pairs == ((scenes[0].stems[0], scenes[0].stems[1]),)


def test_a_scene_has_a_label_and_a_place_for_its_smooth_depth(
    tmp_path: Path, pair: RenderedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(pair, tmp_path / "stereolunar/Nadir_baseline_sample/paire2")
    expected = tmp_path / "stereolunar_depth/Nadir_paire2_R.npz"
    monkeypatch.chdir(tmp_path / "stereolunar")
    for root in (tmp_path / "stereolunar", Path(), Path("Nadir_baseline_sample")):
        [scene] = find_scenes(root)
        assert scene.label == "Nadir_paire2"
        assert scene.smooth_depth_file("R") == expected


def test_a_folder_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no im_N\.npz in it or below"):
        find_scenes(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_scenes(tmp_path / "absent")


def test_a_frame_without_its_partner_is_refused(tmp_path: Path, pair: RenderedPair) -> None:
    _, right = write_pair(pair, tmp_path)
    right.with_name("im_00001.npz").unlink()
    with pytest.raises(InputError, match="its partner im_1 is missing"):
        find_scenes(tmp_path)


def test_odd_numbers_are_no_left_views(tmp_path: Path, pair: RenderedPair) -> None:
    with pytest.raises(InputError, match="left views have even numbers"):
        write_pair(pair, tmp_path, 3)


def test_a_frame_without_its_image_is_refused(tmp_path: Path, pair: RenderedPair) -> None:
    left, _ = write_pair(pair, tmp_path)
    (tmp_path / "im_00000.png").unlink()
    with pytest.raises(InputError, match=r"every im_N\.npz needs its image"):
        read_view(left)


def test_a_damaged_camera_file_is_refused(tmp_path: Path, pair: RenderedPair) -> None:
    left, _ = write_pair(pair, tmp_path)
    (tmp_path / "im_00000.npz").write_bytes(b"PK not a zip")
    with pytest.raises(InputError, match="damaged NPZ"):
        read_view(left)


def test_a_camera_of_the_wrong_shape_is_refused(tmp_path: Path, pair: RenderedPair) -> None:
    left, _ = write_pair(pair, tmp_path)
    np.savez(tmp_path / "im_00000.npz", intrinsics=np.eye(4), cam2world=np.eye(4))
    with pytest.raises(InputError, match=r"intrinsics must be \(3, 3\), is \(4, 4\)"):
        read_view(left)


def test_depth_of_another_size_than_the_image_is_refused(
    tmp_path: Path, pair: RenderedPair
) -> None:
    left, _ = write_pair(pair, tmp_path)
    np.savez(
        tmp_path / "im_00000.npz",
        intrinsics=np.eye(3),
        cam2world=np.eye(4),
        depth_m=np.zeros((9, 9), np.float32),
    )
    with pytest.raises(InputError, match=r"depth is \(9, 9\), its image \(64, 64\)"):
        read_view(left)


def test_exr_without_openexr_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "OpenEXR", None)  # as if it were not installed
    (tmp_path / "im_00000.exr").write_bytes(b"x")
    with pytest.raises(InputError, match=r"lunar-edge\[ground\]"):
        read_exr(tmp_path / "im_00000.exr")


def test_a_damaged_exr_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("OpenEXR", reason="EXR needs the [ground] extra")
    (tmp_path / "im_00000.exr").write_bytes(b"not an exr")
    with pytest.raises(InputError, match="damaged EXR"):
        read_exr(tmp_path / "im_00000.exr")


def test_every_published_scene_is_read(stereolunar: Path) -> None:
    pytest.importorskip("OpenEXR", reason="EXR needs the [ground] extra")
    scenes = find_scenes(stereolunar)
    assert len(scenes) == 4
    infinite = 0
    for scene in scenes:
        assert len(scene.pairs) == 3  # suns
        for left, right in scene.pairs:
            pair = read_pair(left, right)
            for view in (pair.left, pair.right):
                assert view.image.shape == view.depth_m.shape == (512, 512)
                assert view.intrinsics[0, 0] == pytest.approx(618.04, abs=0.01)
                assert not np.isinf(view.depth_m).any()
                infinite += int(np.isnan(view.depth_m).sum())
    assert infinite > 0  # half floats end at 65 504 m; an oblique view sees further


def test_hapke_on_published_depth_is_the_published_image(stereolunar: Path) -> None:
    depth_file = DATA / "stereolunar_depth" / "Nadir_paire2_L.npz"
    if not depth_file.exists():
        pytest.skip(f"no {depth_file}")
    view = read_view(stereolunar / "Nadir_baseline_sample/paire2/im_00576", depth=False)
    with np.load(depth_file) as file:
        depth = file["depth_m"]
    rotation = view.cam2world[:3, :3]
    world = pinhole.unproject(depth, view.intrinsics) @ rotation.T
    target = world[256, 256] + view.cam2world[:3, 3]
    up = target / np.linalg.norm(target)
    east = np.cross([0, 0, 1], up)
    east /= np.linalg.norm(east)
    sun = np.stack([east, np.cross(up, east), up], axis=1) @ sun_vector(330, 20)
    normal = np.cross(np.gradient(world, axis=1), np.gradient(world, axis=0))
    normal /= -np.linalg.norm(normal, axis=-1, keepdims=True)
    towards = -world / np.linalg.norm(world, axis=-1, keepdims=True)
    mu = (normal * towards).sum(-1)
    mu0, mu_view, cos_g = (x.astype(np.float32) for x in (normal @ sun, mu, towards @ sun))
    shaded = cv2.GaussianBlur(hapke(mu0, mu_view, hapke_phase(cos_g)), (0, 0), 0.6)
    inside = np.zeros_like(mu, bool)
    inside[8:-8, 8:-8] = True
    inside &= view.image > 0
    correlation = np.corrcoef(shaded[inside], view.image[inside])[0, 1]
    assert correlation > 0.985  # .9937 measured; .985 to .996 over all 24 sample frames
