"""`lunar-bench stream` on a short descent."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from lunar_bench.report import headlines
from lunar_bench.streams.measure import SITUATIONS, _left_out
from lunar_bench.streams.record import StreamResult
from lunar_calib.datasets.descent_folders import write_descent_folder
from lunar_calib.specs.descent_spec import sample_descent

from .command_line import run


@pytest.fixture(scope="module")
def descent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stream") / "descent"
    list(write_descent_folder(sample_descent(1, 256, 12), folder))
    return folder


def test_every_situation_is_pushed_and_counted(
    descent: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save = tmp_path / "stream.json"
    asked = ("--situation", "whole", "--situation", "poses stop", "--rate-hz", 4, "--threads", 1)
    code, told, _ = run(capsys, "stream", descent, *asked, "--save", save)
    assert code == 0
    assert told.startswith("whole ")
    result = msgspec.json.decode(save.read_bytes(), type=StreamResult)
    assert [row.situation for row in result.rows] == ["whole", "poses stop"]
    for row in result.rows:
        counts = row.counts
        left_out = counts["dropped"] + counts["late"] + counts["duplicates"] + counts["frozen"]
        assert counts["pushed"] == 12 == counts["looked_at"] + counts["waiting"] + left_out
        assert row.pairs >= row.measured + sum(row.refused.values())
        assert row.latency_ms == sorted(row.latency_ms)
        assert len(row.resident_mib) == 6
    assert "4 frames/s of 256 px; whole: " in headlines.stream(msgspec.to_builtins(result))


def test_situations_leave_out_what_they_say() -> None:
    times = np.arange(20.0)
    left = {s: [n for n in range(20) if _left_out(s, n, times)] for s in SITUATIONS}
    assert left["whole"] == left["poses 20 % off"] == left["poses stop"] == []
    assert left["every fifth missing"] == [4, 9, 14, 19]
    assert left["gap of 5 s"] == [10, 11, 12, 13, 14]


def test_a_folder_without_truth_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, "stream", tmp_path)
    assert code == 3
    assert "descent.json: no such file" in error
