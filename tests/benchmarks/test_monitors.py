"""`lunar-bench monitors`: a clean pair trips nothing, a damaged one does; a stop costs nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from lunar_bench.dossier import findings
from lunar_bench.monitors.damages import ALTIMETERS, FROZEN, IMAGES
from lunar_bench.report import headlines

from .command_line import run


def test_damages_are_what_they_say() -> None:
    rng = np.random.default_rng(1)
    image = np.clip(rng.normal(100, 20, (64, 64)), 0, 255).astype(np.uint8)
    noisy = IMAGES["noise 8"](image, rng).astype(float) - image
    assert noisy.std() == pytest.approx(8, rel=0.1)
    assert IMAGES["contrast 0.1"](image, rng).std() == pytest.approx(0.1 * image.std(), rel=0.1)
    assert IMAGES["brightness 2"](image, rng).mean() == pytest.approx(200, abs=8)
    assert IMAGES["brightness 4"](image, rng).dtype == np.uint8


def test_a_short_campaign_goes_on(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal, saved = tmp_path / "pairs.jsonl", tmp_path / "monitors.json"
    options = ["--refined", 1, "--damaged", 1, "--size", 128, "--threads", 1, "--journal", journal]
    code, out, _ = run(capfd, "monitors", "--pairs", 2, *options, "--save", saved)
    assert code == 0, out
    result = json.loads(saved.read_text())
    assert result["false_pairs"]["count"] == 0 == result["weight_mismatches"]
    assert {name: found["of"] for name, found in result["false_alarms"].items()} == {
        "network": 2, "domain": 2, "frozen": 2, "scale": 1,
    }  # fmt: skip
    assert set(result["detected"]) == {FROZEN, *IMAGES, *ALTIMETERS}
    for name in (FROZEN, "noise 8", "brightness 4", "altimeter 1.3"):
        assert result["detected"][name]["count"] == 1, name
    assert headlines.monitors(result).startswith("0 of 2 clean pairs with a false alarm")
    assert [f.met for f in findings.monitors(result) if f.met is not None] == [True]
    assert len(journal.read_text().splitlines()) == 3
    code, again, _ = run(capfd, "monitors", "--pairs", 2, *options)
    assert (code, again) == (0, out)


def test_a_false_alarm_is_told_and_fails(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    journal = tmp_path / "pairs.jsonl"
    options = ["--refined", 0, "--damaged", 0, "--size", 128, "--threads", 1, "--journal", journal]
    run(capfd, "monitors", "--pairs", 1, *options)
    head, line = journal.read_text().splitlines()
    record = json.loads(line)
    record["clean"] = [{"monitor": "domain", "saw": "the left image is burnt out"}]
    journal.write_text(f"{head}\n{json.dumps(record)}\n")
    code, out, _ = run(capfd, "monitors", "--pairs", 1, *options)
    assert code == 5
    assert out.splitlines()[-1] == "  rendered-0: domain: the left image is burnt out"
