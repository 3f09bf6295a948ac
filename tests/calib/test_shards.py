from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_calib.datasets import shards
from lunar_calib.specs.pair_spec import PairSpec
from lunar_runtime.errors import InputError


def write(folder: Path, count: int, size_px: int = 64, seed: int = 1) -> list[Path]:
    """Shards of four pairs, on small terrains."""
    return list(shards.write_shards(folder, count, size_px, seed, pairs_per_shard=4, cells=256))


def test_shards_hold_every_pair_once(tmp_path: Path) -> None:
    written = write(tmp_path, 6)
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


def test_a_spec_in_a_shard_renders_to_the_pair_in_the_shard(tmp_path: Path) -> None:
    from lunar_calib import render_pair

    (folder,) = write(tmp_path, 2)
    spec = PairSpec.from_dict(json.loads((folder / "specs.json").read_text())[1])
    pair, shard = render_pair(spec), shards.open_shards(tmp_path)[0]
    np.testing.assert_array_equal(pair.right.image, shard["right_image"][1])
    np.testing.assert_array_equal(pair.left.depth_m, shard["left_depth"][1])
    np.testing.assert_allclose(pair.right_from_left, shard["right_from_left"][1])


def test_a_stopped_run_goes_on_and_gives_the_same_shards(tmp_path: Path) -> None:
    whole = write(tmp_path / "a", 6)
    write(tmp_path / "b", 4)
    before = (tmp_path / "b/shard_00000/left_image.npy").stat().st_mtime_ns
    write(tmp_path / "b", 6)
    assert (tmp_path / "b/shard_00000/left_image.npy").stat().st_mtime_ns == before
    for folder in whole:
        for file in folder.iterdir():
            assert file.read_bytes() == (tmp_path / "b" / folder.name / file.name).read_bytes()


@pytest.mark.parametrize(
    "count, size_px, seed", [(4, 64, 1), (2, 64, 2), (2, 32, 1)], ids=["count", "seed", "size"]
)
def test_a_shard_of_another_set_is_not_taken_for_this_one(
    tmp_path: Path, count: int, size_px: int, seed: int
) -> None:
    write(tmp_path, 2)
    with pytest.raises(OSError, match=r"shard_00000: holds 2 pairs of 64 px, of another"):
        write(tmp_path, count, size_px, seed)


@pytest.mark.parametrize(
    ("preset", "kind"), [("mix", "landing"), ("mix", "nadir"), ("realistic", None)]
)
def test_a_shard_of_another_kind_or_style_is_not_taken_for_this_one(
    tmp_path: Path, preset: str, kind: str | None
) -> None:
    write(tmp_path, 2)
    with pytest.raises(OSError, match=r"holds 2 pairs .* of another seed, size, style, kind"):
        list(
            shards.write_shards(
                tmp_path, 2, 64, 1, preset=preset, kind=kind, pairs_per_shard=4, cells=256
            )
        )


def test_shards_of_landings_have_a_terrain_each_with_boulders(tmp_path: Path) -> None:
    (folder,) = shards.write_shards(tmp_path, 3, 64, 1, kind="landing")
    specs = [PairSpec.from_dict(spec) for spec in json.loads((folder / "specs.json").read_text())]
    assert {spec.kind.value for spec in specs} == {"landing"}
    assert len({spec.terrain.seed for spec in specs}) == 3
    assert all(spec.terrain.boulder_abundance > 0 for spec in specs)
    depth = np.asarray(shards.open_shards(tmp_path)[0]["left_depth"], np.float64)
    assert 20 < np.nanmedian(depth) < 1000  # metres: StereoLunar's kinds are above 3 km
    before = [file.read_bytes() for file in sorted(folder.iterdir())]
    (again,) = shards.write_shards(tmp_path, 3, 64, 1, kind="landing")  # it is complete
    assert [file.read_bytes() for file in sorted(again.iterdir())] == before


def test_an_unfinished_shard_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'none' is not a valid Preset"):  # its arrays are there
        list(shards.write_shards(tmp_path, 2, 64, 1, preset="none", cells=256))
    assert list(tmp_path.iterdir()) == []


def test_shards_do_not_depend_on_the_number_of_jobs(tmp_path: Path) -> None:
    [alone] = shards.write_shards(tmp_path / "a", 2, 64, 1, cells=256)
    [shared] = shards.write_shards(tmp_path / "b", 2, 64, 1, jobs=2, cells=256)
    for file in alone.iterdir():
        assert file.read_bytes() == (shared / file.name).read_bytes()


def test_a_folder_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no shards; render some with lunar-calib shards --out"):
        shards.open_shards(tmp_path)
