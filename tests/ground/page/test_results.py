"""Result folders become pairs with the numbers of `lunar-bench accuracy`."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.accuracy.measure import measure_accuracy_of
from lunar_calib.datasets.shards import write_shards
from lunar_ground.page.content import Method
from lunar_ground.page.results import pairs_of_results
from lunar_runtime import StereoRuntime, default_bundle_path, read_rig
from lunar_runtime.errors import InputError, UsageError
from lunar_runtime.files.rasters import read_raster
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.report.outputs import write_result

from .results import SIZE


def test_the_numbers_are_those_of_the_benchmark(tmp_path: Path) -> None:
    list(write_shards(tmp_path / "shards", 1, 128, 5))
    shard = next((tmp_path / "shards").glob("shard_*"))
    arrays = {
        name: np.load(file)[0]
        for name in ("left_image", "right_image", "left_depth", "intrinsics")
        if (file := shard / f"{name}.npy")
    }
    np.savez(tmp_path / "truth.npz", depth_m=arrays["left_depth"], intrinsics=arrays["intrinsics"])
    report = measure_accuracy_of(
        [default_bundle_path()], tmp_path / "shards", sgbm=False, refine=False
    )
    camera = Intrinsics.from_matrix(np.asarray(arrays["intrinsics"], np.float64))
    with StereoRuntime.load() as runtime:
        result = runtime.infer(
            arrays["left_image"], arrays["right_image"], intrinsics=camera, refine="off"
        )
    write_result(result, tmp_path / "s0")
    (pair,) = pairs_of_results([tmp_path / "s0"], [tmp_path / "truth.npz"])
    network = report.methods[0]
    scores = pair.views[0].methods[0].scores
    assert set(scores) <= set(network.figures)
    for name, value in scores.items():  # the benchmark keeps five digits
        assert value == pytest.approx(network.figures[name][0], rel=2e-4, abs=1e-6), name


def test_results_of_one_pair_stand_beside_each_other_and_the_truth(results: Path) -> None:
    (pair,) = pairs_of_results([results / "s0", results / "images"], [results / "pair"])
    left, right = pair.views
    assert [one.name for one in left.methods] == ["s0", "images", "truth"]
    assert [one.name for one in right.methods] == ["images"]
    assert left.shape == (256, 256)  # the network's, finer than these images
    assert left.notes == ["shown at 256 x 256 px, computed at 192 x 192 px: images"]
    s0, images, truth = left.methods
    assert "depth_sigma" in images.maps and "depth_sigma" not in s0.maps
    assert s0.scores["absrel_median"] > images.scores["absrel_median"]

    # Heights above the true plane, after the alignment: the better method's are the truth's.
    def heights(one: Method) -> np.ndarray:
        assert one.relief is not None
        return np.asarray(one.points @ one.relief[:3] + one.relief[3])

    off = [np.nanmedian(np.abs(heights(one) - heights(truth))) for one in (s0, images)]
    spread = np.nanstd(heights(truth))
    assert off[1] < off[0] < spread
    # The images' error map is that of its numbers.
    assert np.nanmedian(np.abs(images.maps["depth_error"])) / 100 == pytest.approx(
        images.scores["absrel_median"], rel=0.05
    )


def test_the_right_view_lies_in_its_own_camera(results: Path) -> None:
    (pair,) = pairs_of_results([results / "images"])
    right = pair.views[1]
    z = right.methods[0].points[..., 2]
    depth = read_raster(results / "images/depth_right.tif")
    assert z == pytest.approx(depth, rel=1e-4, nan_ok=True)


def test_lengths_without_a_scale_are_scaled_to_the_truth_and_said_to_be(results: Path) -> None:
    (alone,) = pairs_of_results([results / "relative"])
    assert alone.views[0].methods[0].unit == "relative"
    (pair,) = pairs_of_results([results / "relative"], [results / "pair"])
    method, truth = pair.views[0].methods
    assert method.unit == "m"
    assert any("scaled to the truth" in note for note in method.notes)
    assert np.nanmedian(method.points[..., 2] / truth.points[..., 2]) == pytest.approx(1, abs=0.05)


def test_other_images_are_another_pair(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "s0", tmp_path / "other")
    report = json.loads((tmp_path / "other/report.json").read_text())
    report["left"]["sha256"] = "0" * 64
    (tmp_path / "other/report.json").write_text(json.dumps(report))
    pairs = pairs_of_results([results / "s0", tmp_path / "other", results / "images"])
    assert [len(pair.views[0].methods) for pair in pairs] == [2, 1]
    assert pairs[0].name == pairs[1].name == "pair/left.png"
    with pytest.raises(UsageError, match="1 times `truth` for 2 pairs of images"):
        pairs_of_results([results / "s0", tmp_path / "other"], [results / "pair"])


def test_the_image_comes_from_the_cloud_where_its_file_is_gone(
    results: Path, tmp_path: Path
) -> None:
    shutil.copytree(results / "images", tmp_path / "moved")
    report = json.loads((tmp_path / "moved/report.json").read_text())
    report["left"]["path"] = report["right"]["path"] = "gone.png"
    (tmp_path / "moved/report.json").write_text(json.dumps(report))
    (given,) = pairs_of_results([results / "images"])
    (moved,) = pairs_of_results([tmp_path / "moved"])
    image, whole = moved.views[0].image, given.views[0].image
    assert image is not None and whole is not None
    known = np.isfinite(image)
    assert known.mean() > 0.9
    assert np.array_equal(image[known], whole[known])
    assert moved.views[1].image is None


def test_sites_are_read_where_they_are(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "images", tmp_path / "landed")
    sites = {
        "sites": [
            {"pixel": [50.5, 20], "safe_probability": 0.97, "slope_deg": 3.0},
            {"pixel": [1, 2]},
        ]
    }
    (tmp_path / "landed/sites.json").write_text(json.dumps(sites))
    (pair,) = pairs_of_results([tmp_path / "landed"], longest=SIZE // 2)
    found = pair.views[0].methods[0].sites
    assert found == [{"x": 25.25, "y": 10, "p_safe": 0.97, "slope_deg": 3}, {"x": 0.5, "y": 1}]
    (tmp_path / "landed/sites.json").write_text('{"sites": 3}')
    with pytest.raises(InputError, match=r"sites\.json: damaged, or of another tool"):
        pairs_of_results([tmp_path / "landed"])


@pytest.mark.parametrize("name", ["report.json", "depth.tif", "pointmap.npz", "sites.json"])
def test_a_pipe_among_the_files_is_refused_and_not_waited_for(
    name: str, results: Path, tmp_path: Path
) -> None:
    shutil.copytree(results / "images", tmp_path / "spoilt")
    (tmp_path / "spoilt" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "spoilt" / name)
    why = "damaged, or of another tool" if name == "sites.json" else "is not a regular file"
    with pytest.raises(InputError, match=f"spoilt/{name}: {why}"):
        pairs_of_results([tmp_path / "spoilt"])


def test_a_truth_of_another_size_is_refused(results: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "truth.npz", depth_m=np.ones((9, 12)))
    with pytest.raises(
        InputError, match=f"the truth is 12 x 9 px, the left image {SIZE} x {SIZE} px"
    ):
        pairs_of_results([results / "s0"], [tmp_path / "truth.npz"])
    assert read_rig(results / "pair/rig.json").up_left is not None


def test_results_from_before_landings_are_read(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "s0", tmp_path / "old")
    report = json.loads((tmp_path / "old/report.json").read_text())
    del report["landing"]
    (tmp_path / "old/report.json").write_text(json.dumps(report))
    (pair,) = pairs_of_results([results / "s0", tmp_path / "old"])
    new, old = pair.views[0].methods
    assert np.array_equal(new.points, old.points, equal_nan=True)
