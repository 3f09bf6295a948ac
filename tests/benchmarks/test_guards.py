"""`lunar-bench guards`: every guard is timed where it runs; all together are held to a limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lunar_bench.dossier import findings
from lunar_bench.monitors.cost import MOST_SHARE
from lunar_bench.report import headlines

from .command_line import run


def test_every_guard_is_timed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    saved = tmp_path / "guards.json"
    code, out, _ = run(
        capfd, "guards", "--pairs", 1, "--rounds", 2, "--size", 128, "--save", saved
    )  # fmt: skip
    result = json.loads(saved.read_text())
    (one,) = result["sizes"]
    assert code == (0 if one["share"] < MOST_SHARE else 5), out
    costs = {guard["name"]: guard for guard in one["guards"]}
    assert list(costs) == [
        "weights", "outputs", "images", "refinement", "activations", "self-test",
    ]  # fmt: skip
    for name in ("weights", "outputs", "images", "refinement", "self-test"):
        assert costs[name]["ms"] > 0, name
    together = sum(cost["share"] for name, cost in costs.items() if name != "self-test")
    assert one["share"] == pytest.approx(together, abs=1e-3)
    assert 0 < one["network_ms"] < one["pair_ms"]
    assert result["points"] > 50
    assert out.startswith("128 px: a refined pair ")
    assert "of a pair at 128 px, most of it " in headlines.guards(result)
    assert [found.met for found in findings.guards(result)] == [one["share"] < MOST_SHARE]
