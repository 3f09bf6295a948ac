"""`lunar-bench deadlines`: every pair is counted once, and every rung is scored."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lunar_bench.report import headlines

from .command_line import run


def test_a_short_campaign(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "deadlines.json"
    code, out, _ = run(
        capfd, "deadlines", "--pairs", 2, "--scenes", 1, "--size", 128, "--threads", 1, "--load", 1,
        "--deadline-ms", "0.01", "--deadline-ms", "1e7", "--growth", 3, 2, "--save", saved,
        "--journal", tmp_path / "answers.jsonl",
    )  # fmt: skip
    assert code == 0, out
    result = json.loads(saved.read_text())
    short, long = result["rows"]
    assert (short["met"], long["met"]) == (0, 2)
    assert long["flown"] == {"refined": 2}
    for row in result["rows"]:
        assert row["pairs"] == 2 == sum(row["flown"].values()) + row["nothing"]
    assert {rung["rung"] for rung in result["rungs"]} == {"refined", "geometry", "network"}
    assert [row["refine"] for row in result["growth"]] == ["off", "auto"]
    assert all(row["first_mib"] > 20 for row in result["growth"])
    assert headlines.deadlines(result).endswith("0.01 ms 0.0%, 1e+07 ms 100.0%")
    assert "memory over 3 pairs, refine off" in out
    code, again, _ = run(
        capfd, "deadlines", "--pairs", 2, "--scenes", 1, "--size", 128, "--threads", 1, "--load", 1,
        "--deadline-ms", "0.01", "--deadline-ms", "1e7", "--journal", tmp_path / "answers.jsonl",
    )  # fmt: skip
    assert (code, again.splitlines()[:2]) == (0, out.splitlines()[:2])  # from the journal


def test_memory_alone(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "growth.json"
    code, out, _ = run(
        capfd, "deadlines", "--pairs", 0, "--threads", 1, "--growth", 3, 2, "--save", saved
    )
    assert code == 0, out
    result = json.loads(saved.read_text())
    assert (result["rows"], result["rungs"]) == ([], [])
    assert [row["pairs"] for row in result["growth"]] == [3, 2]
    assert headlines.deadlines(result).startswith("memory: +")
    code, _, err = run(capfd, "deadlines", "--growth", 0, 1)
    assert (code, err) == (
        2, "lunar-bench: --growth over 1 pair is none; give 0, or 2 and more\n",
    )  # fmt: skip
    code, _, err = run(capfd, "deadlines", "--pairs", 0)
    assert (code, err) == (
        2, "lunar-bench: --pairs 0 leaves nothing to do; give --growth\n",
    )  # fmt: skip
