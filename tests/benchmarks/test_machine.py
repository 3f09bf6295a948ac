import os
from datetime import datetime, timedelta

import msgspec
from lunar_bench.record.machine import Machine
from lunar_bench.sensors import machine
from lunar_bench.sensors.machine import describe_machine


def test_the_description_says_what_a_figure_depends_on():
    found = describe_machine()
    assert found.processor
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.memory_gib > 0
    assert {"lunar-edge", "numpy", "onnxruntime"} <= set(found.versions)
    assert datetime.fromisoformat(found.date).utcoffset() == timedelta(0)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Machine) == found


def test_outside_a_repository_the_commit_is_unknown(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "__file__", str(tmp_path / "machine.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert describe_machine().commit == "unknown"
