"""The arms of the shading's ablation, on one rendered pair."""

from __future__ import annotations

import lunar_runtime.refinement.dense_match as dense_match
import lunar_runtime.refinement.solver as solver
from lunar_bench.refinement.shading import ARMS, MEASURE, measure_shading, shaded_pairs
from lunar_bench.report.refinement_text import ratio_lines, shaded_line
from lunar_runtime.refinement.match_noise import measure_match_noise
from lunar_runtime.refinement.shading import shade


def test_every_arm_is_run_and_shading_lowers_the_slope_error() -> None:
    found = measure_shading(None, shaded_pairs(1, seed=62000, size_px=256), "one pair")
    (pair,) = found.pairs
    assert set(pair.figures) == set(pair.refine_ms) == set(pair.cpu_ms) == set(ARMS)
    assert pair.figures["alike"]["inside"] != pair.figures["stereo"]["inside"]
    assert pair.cpu_ms["everywhere"] > pair.cpu_ms["stereo"]
    assert pair.reason is None
    assert pair.figures["everywhere"]["inside"] != pair.figures["stereo"]["inside"]
    assert found.slope_ratio["stereo"]["inside"] == 1
    # The second seed's first pair, at half its size: seen 0.8.
    assert found.slope_ratio["everywhere"]["inside"] < 0.95
    assert found.slope_ratio["inside"]["inside"] < 0.95
    assert vars(solver)["shade"] is shade  # the arms leave nothing behind
    assert vars(dense_match)[MEASURE] is measure_match_noise
    assert "slope error" in shaded_line(pair)
    assert len(ratio_lines(found)) == len(ARMS)


def test_every_second_pair_has_albedo() -> None:
    names = [pair.name for pair in shaded_pairs(2, seed=3, size_px=64)]
    assert names[0].endswith("albedo 0%")
    assert 10 <= int(names[1].split()[-1].rstrip("%")) <= 20
