"""Interrupted commands: what is judged half, what is a fault, and real ones."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from lunar_bench.interruptions import states
from lunar_bench.interruptions.bench import faults_of
from lunar_bench.interruptions.interrupt import Ended, run
from lunar_bench.interruptions.measure import summarise, summary
from lunar_bench.interruptions.record import Trial
from lunar_bench.report import headlines
from lunar_calib.datasets.rendered_folders import write_folder

from .command_line import run as bench

WELL = Ended(0, [], 1.0, 0.5)
SWEPT = WELL._replace(err=["/out/.lunar-new-1: removed; a writer that was killed had left it"])


def test_a_fault_is_whatever_a_user_would_have_to_clean_up_or_to_guess() -> None:
    one_line = Ended(3, ["lunar-infer: out: cannot write (no space left on device)"], 1.0, None)
    assert faults_of("disk", one_line, "old", 0, WELL, 0) == []
    assert faults_of("kill", Ended(-9, [], 1.0, None), "old", 1, SWEPT, 0) == []
    assert faults_of("kill", Ended(-9, [], 1.0, None), "half", 1, WELL, 1) == [
        "the output is half",
        "the next start leaves 1",
        "the next start does not say what it found",
    ]
    crash = Ended(1, ["Traceback (most recent call last):", "MemoryError"], 1.0, None)
    assert faults_of("data", crash, "old", 0, WELL, 0) == [
        "a traceback", "ended with 1", "2 lines",
    ]  # fmt: skip
    assert faults_of("address", Ended(-11, [], 1.0, None), "old", 0, WELL, 0) == [
        "ended with -11", "says nothing",
    ]  # fmt: skip
    assert faults_of("stop", Ended(None, [], 180.0, None), "old", 0, WELL, 0)[0] == (
        "ended with None"
    )


def test_half_an_output_is_seen(tmp_path: Path) -> None:
    list(write_folder(tmp_path / "set", 2, 64, 1, layout="rig"))
    assert states.rendered_state(tmp_path / "set", {}) == "new"
    assert states.rendered_state(tmp_path / "none", {}) == "old"
    (tmp_path / "set" / "paire00002" / "truth.npz").unlink()
    assert states.rendered_state(tmp_path / "set", {}) == "half"

    out = tmp_path / "map"
    out.mkdir()
    (out / "depth.tif").write_bytes(b"depth")
    before = states.digests(out)
    assert states.result_state(out, {}) == "half"  # nothing tells what it must hold
    assert states.result_state(out, before) == "old"
    files = {"depth.tif": {"sha256": before["depth.tif"], "bytes": 5}}
    (out / "report.json").write_text(json.dumps({"files": files}))
    assert states.result_state(out, before) == "new"
    assert states.batch_state(tmp_path / "nothing", {}) == "old"
    (out / "depth.tif").write_bytes(b"dep")
    assert states.result_state(out, before) == "half"
    assert states.batch_state(tmp_path, {}) == "half"
    shutil.rmtree(out)
    assert states.result_state(out, {}) == "old"
    assert states.result_state(out, before) == "half"  # the old one is gone


def test_a_process_is_really_killed_and_really_limited(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(30)"]
    environment = dict(os.environ)
    assert run(sleeper, tmp_path, environment, "kill", 0.1).exit == -9
    assert run(sleeper, tmp_path, environment, "term", 0.1).exit == -15
    hungry = [sys.executable, "-c", "b = bytearray(1 << 28)"]
    assert run(hungry, tmp_path, environment).exit == 0
    for kind in ("address", "data"):
        ended = run(hungry, tmp_path, environment, kind, 100.0)
        assert (ended.exit, ended.err[-1]) == (1, "MemoryError")


def test_a_render_that_is_killed_goes_on(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal, saved = tmp_path / "trials.jsonl", tmp_path / "trials.json"
    options = ["--points", 2, "--task", "render", "--kind", "kill", "--kind", "address"]
    code, out, _ = bench(capfd, "interruptions", *options, "--journal", journal, "--save", saved)
    assert code == 0, out
    result = json.loads(saved.read_text())
    assert len(result["trials"]) == 4
    assert all(trial["next_exit"] in (0, None) for trial in result["trials"])
    assert len(journal.read_text().splitlines()) == 5
    assert headlines.interruptions(result).startswith("4 interruptions (")
    code, again, _ = bench(capfd, "interruptions", *options, "--journal", journal)
    assert (code, again) == (0, out)  # from the journal
    code, counted, _ = bench(
        capfd, "interruptions", "--points", 40, "--stop-here", "--journal", journal
    )
    assert (code, counted) == (0, out)


def test_every_fault_is_told() -> None:
    trial = Trial(
        id="pair-kill-0", task="pair", kind="kill", at=1.5, writing=True, exit=-9, lines=0, said="",
        state="half", left=1, next_exit=0, next_left=0, next_told=True,
        faults=["the output is half"],
    )  # fmt: skip
    result = summarise([trial], 1, 1)
    assert not result.holds
    lines = list(summary(result))
    assert lines[0] == "kill    pair      1 x exit -9, half"
    assert lines[-1] == "  pair-kill-0 at 1.5: the output is half: "
    assert result.swept == 1
