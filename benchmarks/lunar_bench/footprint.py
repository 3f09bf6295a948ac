"""What a whole `lunar-infer` run costs: time from the shell and peak resident memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from lunar_runtime.errors import InputError

from lunar_bench.machine import Machine, describe_machine


class Footprint(msgspec.Struct, frozen=True):
    """One command, run afresh several times.

    Attributes:
        command: What was run, `lunar-infer …`.
        seconds: Median wall-clock time from start to exit.
        peak_rss_mib: Largest peak of resident memory.
        runs: How often.
        machine: Where.
    """

    command: str
    seconds: float
    peak_rss_mib: float
    runs: int
    machine: Machine


def measure_footprint(arguments: list[str], runs: int) -> Footprint:
    """Run `lunar-infer` in its own process; its outputs go to a temporary folder.

    Args:
        arguments: As for `lunar-infer`, without `--out`.
        runs: How often.

    Raises:
        InputError: The command failed; its message is in the error.
    """
    machine = describe_machine()
    measured = [_run(arguments) for _ in range(runs)]
    return Footprint(
        command=" ".join(["lunar-infer", *(Path(a).name or a for a in arguments)]),
        seconds=round(float(np.median([seconds for seconds, _ in measured])), 3),
        peak_rss_mib=round(max(peak for _, peak in measured), 1),
        runs=runs,
        machine=machine,
    )


def _run(arguments: list[str]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = [] if "--help" in arguments else ["--out", str(Path(folder) / "out")]
        command = [sys.executable, "-m", "lunar_runtime", *arguments, *out]
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        message = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stderr.close()
        if process.returncode:
            raise InputError(f"the command to measure failed: {message.decode().strip()}")
        return time.perf_counter() - begin, usage.ru_maxrss / 1024
