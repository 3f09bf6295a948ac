import json

import numpy as np
import pytest
from click.testing import CliRunner
from lunar_calib.datasets import shards
from lunar_calib.render.spec import PairSpec


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "PAIRS_PER_SHARD", 4)
    monkeypatch.setattr(shards, "terrain_cells", lambda size_px: 256)


def test_shards_hold_every_pair_once(tmp_path):
    written = list(shards.write_shards(tmp_path, 6, 64, 1))
    assert [p.name for p in written] == ["shard_00000", "shard_00001"]
    opened = shards.open_shards(tmp_path)
    assert [len(s["left_image"]) for s in opened] == [4, 2]
    for shard in opened:
        assert set(shard) == set(shards.ARRAYS)
        assert shard["left_depth"].dtype == np.float32
        assert shard["left_image"].shape[1:] == (64, 64)
        assert all(isinstance(a, np.memmap) for a in shard.values())
    specs = json.loads((written[1] / "specs.json").read_text())
    assert len(specs) == 2


def test_a_spec_in_a_shard_renders_to_the_pair_in_the_shard(tmp_path):
    from lunar_calib import render_pair

    (folder,) = shards.write_shards(tmp_path, 2, 64, 1)
    spec = PairSpec.from_dict(json.loads((folder / "specs.json").read_text())[1])
    pair, shard = render_pair(spec), shards.open_shards(tmp_path)[0]
    np.testing.assert_array_equal(pair.right.image, shard["right_image"][1])
    np.testing.assert_array_equal(pair.left.depth_m, shard["left_depth"][1])
    np.testing.assert_allclose(pair.right_from_left, shard["right_from_left"][1])


def test_a_stopped_run_goes_on_and_gives_the_same_shards(tmp_path):
    whole = list(shards.write_shards(tmp_path / "a", 6, 64, 1))
    list(shards.write_shards(tmp_path / "b", 4, 64, 1))
    before = (tmp_path / "b/shard_00000/left_image.npy").stat().st_mtime_ns
    list(shards.write_shards(tmp_path / "b", 6, 64, 1))
    assert (tmp_path / "b/shard_00000/left_image.npy").stat().st_mtime_ns == before
    for folder in whole:
        for file in folder.iterdir():
            assert file.read_bytes() == (tmp_path / "b" / folder.name / file.name).read_bytes()


@pytest.mark.parametrize(
    "count, size_px, seed", [(4, 64, 1), (2, 64, 2), (2, 32, 1)], ids=["count", "seed", "size"]
)
def test_a_shard_of_another_set_is_not_taken_for_this_one(tmp_path, count, size_px, seed):
    list(shards.write_shards(tmp_path, 2, 64, 1))
    with pytest.raises(OSError, match=r"shard_00000: holds 2 pairs of 64 px, of another"):
        list(shards.write_shards(tmp_path, count, size_px, seed))


def test_an_unfinished_shard_leaves_nothing(tmp_path, monkeypatch):
    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "render_shard", fails)
    with pytest.raises(KeyboardInterrupt):
        list(shards.write_shards(tmp_path, 2, 64, 1))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_shards_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no shards; render some with python -m lunar_calib"):
        shards.open_shards(tmp_path)


def test_command_writes_shards_and_names_them(tmp_path):
    result = CliRunner().invoke(
        shards.main, ["--count", "2", "--size", "64", "--out", str(tmp_path / "s")]
    )
    assert result.exit_code == 0, result.output
    assert result.output.strip() == str(tmp_path / "s" / "shard_00000")
