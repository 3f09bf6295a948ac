"""The figures of the refinement against pointmaps whose error is known, and its command."""

from __future__ import annotations

import importlib
import inspect
import os
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from lunar_bench.accuracy.window_matching import semi_global_points
from lunar_bench.refinement.apollo import measure_apollo
from lunar_bench.refinement.figures import Figures, Truth
from lunar_bench.refinement.measure import measure_refinement
from lunar_bench.refinement.profile import PARTS, SizeTimes, growth_exponent, measure_growth
from lunar_bench.refinement.sweep import QUANTITIES, Point, RefinementSweep, swept_pair
from lunar_bench.report import refinement_text
from lunar_bench.report.sweep_plot import plot_sweep
from lunar_bench.sensors.machine import describe_machine
from lunar_calib.truth.known_pairs import KnownPair, rendered_pairs
from lunar_runtime.errors import InputError

from .command_line import run

DATA = Path(os.environ.get("LUNAR_DATA", "../shared/data"))


def whole(truth: Truth, points: np.ndarray) -> Figures:
    return truth.figures(points, {"all": truth.known})["all"]


def test_the_truth_in_another_frame_and_unit_has_no_error(rendered_pair: KnownPair) -> None:
    truth = Truth(rendered_pair)
    R = cv2.Rodrigues(np.array([0.02, -0.1, 0.3]))[0]
    found = whole(truth, truth.points @ (0.01 * R).T + [1, 2, 3])
    assert found.absrel < 1e-9
    assert found.slope_mae_deg < 1e-4
    assert found.coverage == 1


def test_a_hole_lowers_the_coverage_and_nothing_else(rendered_pair: KnownPair) -> None:
    truth = Truth(rendered_pair)
    points = truth.points.copy()
    points[:64] = np.nan
    found = whole(truth, points)
    assert found.coverage == pytest.approx(0.75, abs=0.01)
    assert found.absrel < 1e-9


def test_a_region_too_small_has_no_figures(rendered_pair: KnownPair) -> None:
    truth = Truth(rendered_pair)
    region = np.zeros_like(truth.known)
    region[:10, :10] = True
    assert truth.figures(truth.points, {"corner": region}) == {}


def test_the_plane_is_wrong_by_the_relief(rendered_pair: KnownPair) -> None:
    truth = Truth(rendered_pair)
    null = whole(truth, truth.plane())
    # The plane passes as many points above as below, the alignment the mean: it turns a little.
    assert null.slope_mae_deg == pytest.approx(np.nanmean(truth.slope), rel=0.15)
    assert null.rim_mae_deg is not None
    assert null.rim_mae_deg > 1.5 * null.slope_mae_deg


def test_semi_global_matching_told_the_pose_beats_the_plane(rendered_pair: KnownPair) -> None:
    truth = Truth(rendered_pair)
    found = whole(truth, semi_global_points(rendered_pair))
    null = whole(truth, truth.plane())
    assert found.coverage > 0.5
    assert found.absrel < 0.5 * null.absrel


def test_every_method_stands_beside_the_others(rendered_pair: KnownPair) -> None:
    result = measure_refinement(None, [rendered_pair], "one pair")
    (one,) = result.pairs
    assert set(one.figures) == {"null", "sgbm", "network", "geometry", "unsmoothed", "fused"}
    inside = {method: regions["inside"].absrel for method, regions in one.figures.items()}
    assert inside["fused"] < inside["sgbm"] < inside["null"]
    assert result.medians["fused"]["all"] == one.figures["fused"]["all"]
    text = "\n".join([*refinement_text.pair_lines(one), *refinement_text.median_lines(result)])
    assert "medians of 1, 1 refined" in text
    assert "fused worse than the network (whole view): no pair" in text
    assert msgspec.json.decode(msgspec.json.encode(result))["machine"]["commit"]


def test_a_pair_that_the_images_decide_nowhere_is_still_reported() -> None:
    (one,) = measure_refinement(None, [swept_pair("overlap", 0.18, 9000)], "one pair").pairs
    assert one.reason is None
    assert one.inside_fraction < 0.03
    assert one.scale_error is None and one.error_by_sigma == []
    assert "too little inside" in list(refinement_text.pair_lines(one))[-1]


def test_the_overlap_is_what_was_asked_for() -> None:
    for wanted in (0.8, 0.4):
        pair = swept_pair("overlap", wanted, 9000)
        points = Truth(pair).points.reshape(-1, 3)
        seen = points @ pair.right_from_left[:3, :3].T + pair.right_from_left[:3, 3]
        pixel = seen @ pair.camera_right.matrix().T
        u, v = pixel[:, 0] / pixel[:, 2], pixel[:, 1] / pixel[:, 2]
        inside = (u > 0) & (v > 0) & (u < pair.right.shape[1]) & (v < pair.right.shape[0])
        # The right camera turns to look aside, and its ground is a trapezium.
        assert np.mean(inside) == pytest.approx(wanted, abs=0.07)


def test_only_the_right_view_has_another_sun() -> None:
    same, other = (swept_pair("sun azimuth difference, deg", v, 9000) for v in (0, 80))
    np.testing.assert_array_equal(other.left, same.left)
    assert np.mean(other.right != same.right) > 0.5


def test_curves_become_a_picture(tmp_path: Path) -> None:
    values = {"null": 0.01, "network": 0.008, "geometry": None, "fused": 0.001}
    points = [Point(value, 0.5, values, values) for value in (0.1, 0.2)]
    curves = dict.fromkeys(QUANTITIES, points)
    plot_sweep(RefinementSweep("two", "0", curves, describe_machine()), tmp_path / "curves.png")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None
    assert picture.shape[1] > picture.shape[0] > 300


@pytest.mark.parametrize(
    "arguments, code, text",
    [
        (["everything"], 2, "No such command 'everything'"),
        (["rendered"], 2, "Missing argument 'COUNT'"),
        (["rendered", "1", "--cross-sun"], 2, "--cross-sun"),
        (["rendered", "1", "--plot", "a.png"], 2, "--plot"),
        (["apollo", "nowhere"], 3, "nowhere/AS15-M-0297_SML.png: no such file"),
        (["stereolunar", "nowhere"], 3, "nowhere: no such folder"),
    ],
)
def test_wrong_use_is_one_line(
    capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    found, out, err = run(capfd, "refinement", *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("lunar-bench: ")
    assert text in err
    assert err.count("\n") == 1


def test_without_a_source_the_sources_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capfd, "refinement")
    assert code == 2
    for source in ("stereolunar", "rendered", "sweep", "apollo", "profile"):
        assert f"  {source} " in err


def test_no_pair_is_no_result() -> None:
    with pytest.raises(InputError, match="nothing: there is no pair to measure"):
        measure_refinement(None, [], "nothing")


def test_growth_is_one_for_time_that_goes_with_the_pixels() -> None:
    sizes = [SizeTimes((side, 2 * side), 0.0, {}) for side in (64, 128, 256)]
    assert growth_exponent(sizes, [1.0, 4.0, 16.0]) == pytest.approx(1)
    assert growth_exponent(sizes, [1.0, 2.0, 4.0]) == pytest.approx(0.5)


def test_every_size_has_its_time_and_its_parts() -> None:
    pairs = [next(rendered_pairs(1, size, 0)) for size in (128, 192)]
    growth = measure_growth(pairs, 1)
    assert [one.size for one in growth.sizes] == [(128, 128), (192, 192)]
    assert all(one.cpu_ms > 0 and one.parts_ms["optical flow"] > 0 for one in growth.sizes)
    assert "optical flow" in growth.parts


def test_every_part_of_the_profile_is_a_function_of_the_runtime() -> None:
    for module, function, _ in PARTS:
        home = inspect.getsource(importlib.import_module(f"lunar_runtime.{module}"))
        assert f"def {function}(" in home, (module, function)


@pytest.mark.slow
def test_the_profile_tells_parts_from_the_whole(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "profile.json"
    code, out, _ = run(capfd, "refinement", "profile", 1, "--threads", 2, "--save", file)
    assert code == 0
    saved = msgspec.json.decode((tmp_path / "profile.json").read_bytes())
    parts = {part["part"] for part in saved["parts"]}
    assert {"optical flow", "thin plate: surfaces", "the network"} <= parts
    assert "besides the network" in out


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "apollo15").is_dir(), reason="needs the Apollo pair (LUNAR_DATA)")
def test_film_from_1971_is_refined() -> None:
    found = measure_apollo(None, DATA / "apollo15")
    assert found.reason is None
    # 0.3 px and 0.3 % are what is asked for; 0.05 px and 0.09 % were measured.
    assert found.epipolar_px < 0.3
    assert found.methods["fused"].depth_median < 0.003
