"""What a loop over pairs must not do: open files, or keep memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# In a process of its own, because an audit hook stays. Lazy imports are over after the first pair.
LOOP = """
import sys
import numpy as np
from lunar_runtime import StereoRuntime
from lunar_runtime.geometry.cameras import Intrinsics
from lunar_runtime.guard.health import Health
from lunar_runtime.guard.health_sink import open_sink
from lunar_runtime.inference.practice_pair import practice_pair

opened, looking = [], False

def hook(event, arguments):
    if looking and event in ("open", "os.open", "socket.__new__", "import"):
        opened.append((event, str(arguments[0])))

sys.addaudithook(hook)
pair = practice_pair(128, 128)
with StereoRuntime.load(sys.argv[1], threads=1) as runtime:
    runtime.learn_costs(128, 128, rounds=1)
    with Health(open_sink(sys.argv[2])) as health:
        for number in range(6):
            looking = number > 1
            with health.pair() as record:
                record(
                    runtime.infer(
                        pair.left,
                        pair.right,
                        intrinsics=pair.intrinsics,
                        deadline_ms=None if number % 2 else 1e7,
                        refine="auto" if number < 4 else "off",
                    )
                )
        looking = False
print(opened)
open(sys.argv[2]).close()
looking = True
open(sys.argv[2]).close()
print(len(opened) > 0)
"""


def test_no_file_is_opened_between_pairs(bundles: dict[str, Path], tmp_path: Path) -> None:
    health = tmp_path / "health.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", LOOP, bundles["both"], health],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.returncode == 0, done.stderr
    opened, sees = done.stdout.splitlines()
    assert opened == "[]"
    assert sees == "True"  # the hook does see what is opened
    assert health.read_bytes().count(b'"kind":"pair"') == 6


def test_locked_memory_is_the_kernels_word_or_an_error() -> None:
    code = (
        "from lunar_runtime.guard.locked_memory import lock_memory; lock_memory();"
        "print(open('/proc/self/status').read())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    call = [sys.executable, "-c", code]
    done = subprocess.run(call, capture_output=True, text=True, env=environment)
    if done.returncode:
        assert "UsageError: `mlock`: the system refuses" in done.stderr
        return
    (locked,) = [line for line in done.stdout.splitlines() if line.startswith("VmLck:")]
    assert int(locked.split()[1]) > 1000  # kB
