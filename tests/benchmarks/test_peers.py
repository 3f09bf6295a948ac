"""What a user would pick instead, compared on the same pixels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.peers.compare import compare_peers
from lunar_bench.peers.growth import measure_growth
from lunar_bench.peers.methods import NAMES, SMOOTHINGS_PX
from lunar_bench.report.peers_text import growth_lines, peer_lines
from lunar_calib.truth.known_pairs import rendered_pairs
from lunar_runtime.errors import InputError

from .command_line import run


def test_all_peers_are_scored_timed_and_told_of() -> None:
    report = compare_peers(rendered_pairs(1, 256, seed=3), "rendered", rounds=1)
    by_name = {peer.name: peer for peer in report.peers}
    assert tuple(by_name) == NAMES
    ours = by_name["ours"]
    assert (ours.time_ratio, ours.coverage, ours.smoothing_px) == (1.0, 1.0, 0.0)
    assert ours.absrel == ours.ours_absrel
    for name in ("SGBM", "SGBM 2x", "DIS", "DIS 2x"):
        peer = by_name[name]
        assert 0.3 < peer.coverage < 1
        assert peer.smoothing_px in SMOOTHINGS_PX
        assert peer.absrel < 0.02
        # Ours is scored where the peer has points: with less to cover, it errs less.
        assert peer.ours_absrel < ours.absrel
    assert by_name["SGBM 2x"].time_ratio > by_name["SGBM"].time_ratio
    lines = list(peer_lines(report))
    assert len(lines) == 2 + len(NAMES)
    assert lines[2].startswith("ours ")


def test_no_pair_is_an_error_that_says_so() -> None:
    with pytest.raises(InputError, match="nothing: there is no pair"):
        compare_peers([], "nothing")


def test_time_grows_with_the_pixels() -> None:
    pair = next(rendered_pairs(1, 128, seed=3))
    report = measure_growth(pair, [64, 256], rounds=1)
    assert tuple(report.ms) == NAMES
    assert tuple(report.cpu_ms) == NAMES
    small, large = report.cpu_ms["SGBM 2x"]
    assert small is not None
    assert large is not None
    assert report.exponent["SGBM 2x"] == pytest.approx(np.log(large / small) / np.log(16), rel=0.01)
    assert len(list(growth_lines(report))) == 2 + len(NAMES)


def test_the_command_measures_memory_in_processes_of_their_own(
    capfd: pytest.CaptureFixture[str], stereolunar: Path, tmp_path: Path
) -> None:
    call = ["peers", "accuracy", str(stereolunar), "--pairs", "1", "--rounds", "1"]
    code, out, _ = run(capfd, *call, "--save", str(tmp_path / "peers.json"))
    assert code == 0
    assert "SGBM 2x" in out
    saved = json.loads((tmp_path / "peers.json").read_text())
    memory = {peer["name"]: peer["peak_rss_mib"] for peer in saved["peers"]}
    assert all(value > 50 for value in memory.values())  # an interpreter with NumPy and OpenCV
    assert memory["DIS 2x"] > memory["DIS"]


@pytest.mark.parametrize("sizes", ["512", "a,b", "16,512"])
def test_sizes_that_cannot_be_are_wrong_usage(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, sizes: str
) -> None:
    code, _, err = run(capfd, "peers", "growth", str(tmp_path), "--sizes", sizes)
    assert code == 2
    assert "give two or more sides of 32 px or more" in err
