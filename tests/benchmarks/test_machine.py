from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine


def test_the_description_says_what_a_figure_depends_on() -> None:
    found = describe_machine()
    assert found.processor
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_gib > 0
    assert {"lunar-edge", "numpy", "onnxruntime"} <= set(found.versions)
    assert datetime.fromisoformat(found.date).utcoffset() == timedelta(0)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Machine) == found


def test_outside_a_repository_the_commit_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_machine(source=tmp_path).commit == "unknown"
