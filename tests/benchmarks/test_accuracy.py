from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.accuracy.measure import measure_accuracy_of
from lunar_bench.accuracy.methods import MethodOutput, run_network
from lunar_bench.accuracy.pairs import LabelledPair, fit_pair
from lunar_bench.accuracy.report import AccuracyReport
from lunar_bench.accuracy.scores import scores_as_published
from lunar_bench.accuracy.tally import MethodTally
from lunar_calib.datasets.shards import write_shards
from lunar_calib.datasets.stereolunar_frames import write_pair
from lunar_calib.truth.accuracy import true_pointmap
from lunar_calib.truth.known_pairs import KnownPair
from lunar_calib.truth.shape_scores import shape_scores
from lunar_runtime import Bundle, default_bundle_path
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.errors import InputError
from runtime.images import SIZE, texture
from runtime.plane_bundle import write_plane_bundle
from runtime.plane_scene import plane_outputs, plane_scene

from .command_line import run


@pytest.fixture(scope="session")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "shards"
    list(write_shards(folder, 2, 256, seed=11))
    return folder


def true_pair(known: KnownPair, name: str = "tilted", scene: str = "a") -> LabelledPair:
    return LabelledPair(replace(known, name=name), known.depth, scene, "sun 0", None)


def test_bundles_and_baselines_are_measured_side_by_side(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "accuracy",
        str(default_bundle_path()),
        "--data",
        str(shards),
        "--pairs",
        "1",
        "--refine",
    ]
    code, out, _ = run(capsys, *arguments, "--save", tmp_path / "result.json")
    assert code == 0
    assert out.startswith("1 rendered pairs at 256x256, medians over pairs")
    assert "by the published evaluation's definitions" in out
    report = msgspec.json.decode((tmp_path / "result.json").read_bytes(), type=AccuracyReport)
    methods = {method.method: method for method in report.methods}
    assert list(methods) == ["network", "fused", "geometry", "sgbm", "plane"]
    network = methods["network"]
    assert network.bundle is not None
    assert (network.bundle.student, network.bundle.gate) == ("S0", "passed")
    assert network.pairs == ["rendered 0"]
    assert network.medians["slope_mae_deg"] < network.medians["slope_mae_null_deg"]
    assert network.medians["confidence_ause_random"] > 0
    assert {"pose_auc_5deg", "pose_auc_10deg", "pose_auc_20deg", "pose_found"} <= set(
        network.medians
    )
    assert "both_views_rmse_m" in network.published
    assert network.error_by_tenth is not None and len(network.error_by_tenth) == 10
    assert len(network.by_scene) == len(network.by_sun) == 1
    # Told the pose, classical stereo finds what the network does not.
    assert methods["sgbm"].medians["absrel_median"] < network.medians["absrel_median"]
    assert methods["sgbm"].error_by_tenth is None
    assert report.machine.commit


def test_compared_at_the_networks_own_size_its_outputs_are_taken_as_they_are(
    stereolunar: Path,
) -> None:
    report = measure_accuracy_of(
        [default_bundle_path()], stereolunar, count=1, size=256, sgbm=False
    )
    assert report.size == (256, 256)
    network, plane = report.methods
    assert plane.medians["absrel_median"] == network.medians["absrel_median_null"]
    # As measured when this bundle was made, on this grid.
    assert network.medians["absrel_median"] == pytest.approx(0.0055109, rel=1e-3)
    assert network.medians["slope_mae_deg"] == pytest.approx(4.0987, rel=1e-3)


def test_a_similar_pointmap_has_no_error_and_the_plane_none_on_a_plane(
    tilted_pair: KnownPair,
) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    scores, accuracy = shape_scores(
        0.003 * true + [1, 2, 3], tilted_pair.depth, tilted_pair.camera_left
    )
    assert accuracy.alignment.scale == pytest.approx(1 / 0.003, rel=1e-6)
    for name in ("absrel_median", "absrel_median_null", "slope_mae_deg", "slope_mae_null_deg"):
        assert scores[name] == pytest.approx(0, abs=2e-3)  # depth is float32: 1e-7 and 1e-3 degrees
    assert scores["coverage"] == 1


def test_the_null_is_measured_on_the_pixels_of_the_method(tilted_pair: KnownPair) -> None:
    depth = tilted_pair.depth.copy()
    depth[:, 48:] *= 1 + 0.05 * np.sin(np.arange(48) / 3)  # relief on the right half only
    pair = replace(tilted_pair, depth=depth.astype(np.float32))
    true = true_pointmap(pair.depth, pair.camera_left)
    left_half = np.where(np.arange(96)[None, :, None] < 48, true, np.nan)
    scores, _ = shape_scores(left_half, pair.depth, pair.camera_left)
    assert scores["coverage"] == pytest.approx(0.5)
    assert scores["absrel_median_null"] == pytest.approx(0, abs=1e-5)
    assert shape_scores(true, pair.depth, pair.camera_left)[0]["absrel_median_null"] > 1e-3


def test_a_flat_answer_misses_every_hazard(tilted_pair: KnownPair) -> None:
    row, column = np.mgrid[:96, :96]
    depth = tilted_pair.depth * (1 + 0.02 * np.sin(column / 5) * np.sin(row / 5))
    pair = replace(tilted_pair, depth=depth.astype(np.float32))
    true = true_pointmap(pair.depth, pair.camera_left)
    flat, _ = shape_scores(
        true_pointmap(tilted_pair.depth, tilted_pair.camera_left), pair.depth, pair.camera_left
    )
    exact, _ = shape_scores(true, pair.depth, pair.camera_left)
    assert flat["hazard_miss_10deg"] == 1
    assert flat["hazard_false_alarm_10deg"] == 0
    assert exact["hazard_miss_10deg"] == 0
    assert exact["hazard_agreement_10deg"] == 1
    assert 0 < flat["hazard_agreement_10deg"] < 1


def test_the_right_view_is_compared_in_the_left_cameras_frame(tilted_pair: KnownPair) -> None:
    # The plane z = 1000 is the same depth from both of these cameras.
    flat = replace(tilted_pair, depth=np.full((96, 96), 1000, np.float32))
    left = true_pointmap(flat.depth, flat.camera_left)
    right = left + np.array([500.0, 0, 0])  # the right camera stands 500 m to the right
    scores = scores_as_published(left, right, true_pair(flat))
    assert scores["both_views_rmse_m"] == pytest.approx(0, abs=1e-3)
    assert scores_as_published(left, left, true_pair(flat))["both_views_rmse_m"] > 100


def test_a_pose_that_is_not_found_counts_against_the_area(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    poses = {"found": tilted_pair.right_from_left, "lost": None}
    tally = MethodTally(
        "network",
        lambda pair: MethodOutput(true, gives_pose=True, right_from_left=poses[pair.name]),
    )
    for name in poses:
        tally.add(true_pair(tilted_pair, name))
    result = tally.result()
    assert result.medians["pose_found"] == 0.5
    assert result.medians["pose_auc_5deg"] == pytest.approx(0.5, abs=1e-6)
    assert result.figures["pose_rotation_deg"] == [pytest.approx(0, abs=1e-5), None]


def test_a_method_that_gives_nothing_is_listed_with_its_reason(tilted_pair: KnownPair) -> None:
    def refuse(_: LabelledPair) -> MethodOutput:
        raise InputError("the images do not overlap")

    tally = MethodTally("geometry", refuse)
    tally.add(true_pair(tilted_pair))
    result = tally.result()
    assert result.failed == {"tilted": "the images do not overlap"}
    assert (result.pairs, result.medians) == ([], {})


def test_results_are_grouped_by_scene(tilted_pair: KnownPair) -> None:
    true = true_pointmap(tilted_pair.depth, tilted_pair.camera_left)
    half = np.where(np.arange(96)[None, :, None] < 48, true, np.nan)
    tally = MethodTally("sgbm", lambda pair: MethodOutput(true if pair.scene == "a" else half))
    for scene in "aabb":
        tally.add(true_pair(tilted_pair, scene, scene))
    by_scene = tally.result().by_scene
    assert by_scene["a"]["coverage"] == 1
    assert by_scene["b"]["coverage"] == pytest.approx(0.5)


def test_a_pair_is_cropped_and_resized_with_its_cameras(tilted_pair: KnownPair) -> None:
    pair = true_pair(tilted_pair)
    assert fit_pair(pair, (64, 64), None) is pair
    small = fit_pair(pair, (32, 64), 48).known
    assert small.left.shape == small.depth.shape == (24, 48)
    # The tilted plane is still what the small camera sees: its plane null is nothing.
    true = true_pointmap(small.depth, small.camera_left)
    scores, _ = shape_scores(true, small.depth, small.camera_left)
    assert scores["absrel_median_null"] < 1e-4  # depth is averaged over 2 x 2 px
    assert small.camera_left.fy == pytest.approx(50)
    assert small.camera_left.cy == pytest.approx(12)


def test_an_unreadable_pair_is_listed_and_the_others_are_measured(tmp_path: Path) -> None:
    from lunar_calib.render.renderer import render_pair
    from lunar_calib.specs.pair_sampling import sample_spec

    for number, folder in enumerate(("one", "two")):
        write_pair(render_pair(sample_spec(number, 128)), tmp_path / "data" / folder, 0)
    (tmp_path / "data/two/im_00001.png").write_bytes(b"no picture")
    report = measure_accuracy_of([default_bundle_path()], tmp_path / "data", sgbm=False)
    assert report.pair_count == 1
    (reason,) = report.unreadable.values()
    assert "im_00001.png" in reason


def test_an_interrupt_keeps_what_is_done(shards: Path) -> None:
    def names(every: Iterable[str], count: int) -> Iterator[str]:
        yield next(iter(every))
        raise KeyboardInterrupt

    report = measure_accuracy_of([default_bundle_path()], shards, sgbm=False, tell=names)
    assert report.partial
    assert report.methods[0].pairs == ["rendered 0"]


@pytest.mark.parametrize(
    "make, code, text",
    [
        (lambda folder: None, 3, "no such folder; give one of pairs with depth"),
        (lambda folder: folder.mkdir(), 3, "neither StereoLunar's im_N.npz nor shards in it"),
    ],
)
def test_a_folder_without_pairs_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path], object],
    code: int,
    text: str,
) -> None:
    make(tmp_path / "data")
    found, _, error = run(capsys, "accuracy", default_bundle_path(), "--data", tmp_path / "data")
    assert found == code
    assert text in error
    assert error.count("\n") == 1


def test_a_backend_that_is_not_there_is_refused(
    shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["accuracy", str(default_bundle_path()), "--data", str(shards)]
    code, _, error = run(capsys, *arguments, "--backend", "abacus")
    assert code == 2
    assert "--backend abacus: is not installed; choose one of auto, onnxruntime" in error


def test_data_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, error = run(capsys, "accuracy", default_bundle_path())
    assert code == 2
    assert "Missing option '--data'" in error


def _plane_pair() -> LabelledPair:
    scene = plane_scene()
    depth = (scene.pointmap_left()[..., 2] * scene.metres_per_unit).astype(np.float32)
    right_from_left = scene.right_from_left.copy()
    right_from_left[:3, 3] *= scene.metres_per_unit
    known = KnownPair(
        "plane", texture(1), texture(2), depth, scene.intrinsics, scene.intrinsics, right_from_left
    )
    depth_right = (scene.depth_right() * scene.metres_per_unit).astype(np.float32)
    return LabelledPair(known, depth_right, "plane", "sun 0", None)


def _position_descriptors(points: np.ndarray) -> np.ndarray:
    """Unit vectors that tell where on the ground a point lies, unambiguously within the scene."""
    phase = points[..., :2] @ np.random.default_rng(0).normal(0, 2.0, (2, 12))
    return np.concatenate([np.sin(phase), np.cos(phase)], axis=-1).astype(np.float32) / 12**0.5


def test_a_bundle_with_descriptors_is_scored_on_its_matches_and_its_pose(tmp_path: Path) -> None:
    scene = plane_scene()
    constants = plane_outputs(scene, "all")
    for side, points in (("left", scene.pointmap_left()), ("right", scene.pointmap_right())):
        constants[f"descriptors_{side}"] = _position_descriptors(points)[None]
    bundle = Bundle.open(write_plane_bundle(tmp_path / "bundle", "all", constants))
    backend = select_backend(bundle, "onnxruntime", "cpu", None)
    tally = MethodTally("network", lambda pair: run_network(backend, pair.known, (SIZE, SIZE)))
    tally.add(_plane_pair())
    medians = tally.result().medians
    assert medians["absrel_median"] < 1e-5  # float32
    assert medians["pose_rotation_deg"] < 0.01
    assert medians["pose_translation_deg"] < 0.05
    assert medians["pose_auc_5deg"] > 0.98
    assert medians["descriptor_matches"] > 30
    # Matches are whole pixels: half a pixel each way at most, 0.38 px in the median of a square.
    assert medians["descriptor_match_error_px"] < 0.5
    assert medians["descriptor_matches_within_1px"] == 1
    assert tally.result().published["both_views_rmse_m"] < 0.1  # of 5 km
