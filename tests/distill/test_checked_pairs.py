"""Bad data: found before the first step, named, or left out and counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lunar_calib.datasets.rendered_folders import write_folder
from lunar_distill.data.checked_pairs import open_data
from lunar_distill.data.fresh_pairs import FreshPairs
from lunar_runtime.errors import InputError


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes") / "pairs"
    list(write_folder(folder, 3, 64, seed=3))
    return folder


@pytest.fixture
def spoiled(scenes: Path, tmp_path: Path) -> Path:
    """Without the depth of one pair, with a torn image of another, and a third that is whole."""
    folder = tmp_path / "spoiled"
    shutil.copytree(scenes, folder)
    camera = folder / "paire00001" / "im_00001.npz"
    with np.load(camera) as arrays:
        kept = {name: arrays[name] for name in ("intrinsics", "cam2world")}
    np.savez(camera, **kept)
    image = folder / "paire00002" / "im_00002.png"
    image.write_bytes(image.read_bytes()[:100])
    return folder


def test_offenders_are_all_named_before_anything_starts(spoiled: Path) -> None:
    with pytest.raises(InputError) as error:
        open_data([spoiled], 64)
    text = str(error.value)
    assert text.startswith("2 unusable: ")
    assert "im_00001: no depth, neither depth_m in its .npz nor an .exr" in text
    assert "im_00002.png" in text
    assert text.endswith("leave them out with skip_bad")


def test_offenders_are_left_out_and_counted(spoiled: Path) -> None:
    checked = open_data([spoiled], 64, skip_bad=True)
    assert len(checked.offenders) == 2
    assert len(checked.pairs) == 1


def test_a_frame_without_its_partner_is_an_offender(scenes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    shutil.copytree(scenes, folder)
    (folder / "paire00003" / "im_00005.npz").unlink()
    with pytest.raises(InputError, match=r"1 unusable: .*im_00004\.npz: its partner im_5 is"):
        open_data([folder], 64)
    checked = open_data([folder], 64, skip_bad=True)
    assert len(checked.offenders) == 1 and len(checked.pairs) == 2


def test_a_pose_that_is_not_finite_is_an_offender(scenes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    shutil.copytree(scenes, folder)
    camera = folder / "paire00003" / "im_00005.npz"
    with np.load(camera) as arrays:
        values = {name: arrays[name] for name in arrays.files}
    values["cam2world"][0, 3] = np.nan
    np.savez(camera, **values)
    with pytest.raises(InputError, match=r"1 unusable: .*im_00005.npz: cam2world is not finite"):
        open_data([folder], 64)


def test_a_spoiled_row_of_a_shard_is_an_offender(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    [shard] = folder.iterdir()
    for name, row, value in (("left_depth", 2, np.nan), ("right_from_left", 5, np.inf)):
        array = np.load(shard / f"{name}.npy")
        array[row] = value
        np.save(shard / f"{name}.npy", array)
    with pytest.raises(
        InputError, match=r"2 unusable: .* pair 2: no left depth; .* pair 5: right_"
    ):
        open_data([folder], 64)
    checked = open_data([folder], 64, skip_bad=True)
    assert len(checked.pairs) == 6
    assert torch.isfinite(checked.pairs.batch(np.arange(6)).left_from_right).all()


def test_a_damaged_shard_is_an_offender(shards: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(shards, folder)
    [shard] = folder.iterdir()
    (shard / "left_image.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(InputError, match=r"1 unusable: .*shard_00000: damaged .* render it again"):
        open_data([folder], 64)
    with pytest.raises(InputError, match="no usable pair"):
        open_data([folder], 64, skip_bad=True)


def test_an_empty_folder_is_refused_with_or_without_skip_bad(tmp_path: Path) -> None:
    for skip_bad in (False, True):
        with pytest.raises(InputError, match=r"no im_N\.npz in it or below"):
            open_data([tmp_path], 64, skip_bad=skip_bad)


def test_a_principal_point_off_the_centre_is_an_offender(scenes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "scenes"
    shutil.copytree(scenes, folder)
    camera = folder / "paire00001" / "im_00000.npz"
    with np.load(camera) as arrays:
        values = {name: arrays[name] for name in arrays.files}
    values["intrinsics"][0, 2] += 5
    np.savez(camera, **values)
    with pytest.raises(InputError, match="im_00000: its principal point is not the image centre"):
        open_data([folder], 64)


def test_frames_and_shards_can_be_mixed_and_give_the_same_kind_of_batch(
    scenes: Path, shards: Path
) -> None:
    pairs = open_data([scenes, shards], 32).pairs
    assert len(pairs) == 3 + 8
    batch = pairs.batch(np.array([0, 10]), np.random.default_rng(0))
    assert batch.images.shape == batch.depths.shape == (2, 2, 32, 32)
    assert torch.isnan(batch.suns[:, 0]).all() and torch.isfinite(batch.suns[:, 1]).all()


def test_a_frame_on_disk_gives_its_image_depth_and_pose(scenes: Path) -> None:
    batch = open_data([scenes], 64).pairs.batch(np.array([1]))
    folder = scenes / "paire00002"
    image = cv2.imread(str(folder / "im_00002.png"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    grey = (batch.images[0, 0].numpy() + 1) * 127.5
    np.testing.assert_allclose(grey, image, atol=1e-3)  # float32
    left, right = (dict(np.load(folder / f"im_0000{i}.npz")) for i in (2, 3))
    np.testing.assert_array_equal(batch.depths[0, 0].numpy(), left["depth_m"])
    pose = np.linalg.inv(left["cam2world"]) @ right["cam2world"]
    np.testing.assert_allclose(batch.left_from_right[0].numpy(), pose, rtol=1e-4, atol=0.05)


def test_fresh_pairs_depend_on_their_numbers_alone() -> None:
    numbers = np.array([5, 9])
    a, b = (FreshPairs(1, 32).batch(numbers) for _ in range(2))
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, FreshPairs(2, 32).batch(numbers).images)
    assert torch.isfinite(a.suns).all()
