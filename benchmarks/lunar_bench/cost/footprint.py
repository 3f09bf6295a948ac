"""What a whole `lunar-infer` run costs: time from the shell and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from lunar_runtime import Bundle
from lunar_runtime.errors import InputError

from lunar_bench.sensors.machine import Machine, describe_machine
from lunar_bench.sensors.process_memory import field_mib, proportional_mib

# The program, and at its end the kernel's account of it. What wait4() tells of a child instead is
# at least what its parent had: a child starts as its copy.
_CHILD = """
import atexit, os, sys
account = int(sys.argv.pop(1))
atexit.register(lambda: os.write(account, open("/proc/self/status", "rb").read()))
from {module} import main
main()
"""
_INFER = "lunar_runtime.commands.infer"
_BASELINE = "lunar_bench.cost.baseline_once"
# Reading PSS makes the kernel walk all pages, a few ms for a GB: only in runs that are not timed.
_PSS_INTERVAL_S = 0.02


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


class Start(msgspec.Struct, frozen=True):
    """From nothing to the first map on the disk, in a process of its own.

    A baseline's ends with the network's outputs in memory, and is run once.

    Attributes:
        cold_s: With the bundle's files out of the page cache; the libraries may be in it.
        warm_s: Again, with the files in the cache.
        peak_rss_mib: Largest peak of resident memory.
        peak_pss_mib: Largest PSS seen, every 20 ms, in a run of its own; None where the kernel
            does not tell.
    """

    cold_s: float
    warm_s: list[float]
    peak_rss_mib: float
    peak_pss_mib: float | None


class _Run(NamedTuple):
    seconds: float
    peak_rss_mib: float
    peak_pss_mib: float | None


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
        seconds=round(float(np.median([run.seconds for run in measured])), 3),
        peak_rss_mib=round(max(run.peak_rss_mib for run in measured), 1),
        runs=runs,
        machine=machine,
    )


def measure_start(bundle: Bundle, arguments: Sequence[str], warm: int) -> Start:
    """Start `lunar-infer` on one pair afresh: once cold, then warm, then to watch its memory.

    Args:
        bundle: Whose files leave the page cache first.
        arguments: As for `lunar-infer`, without `--out`.
        warm: Runs after the cold one.

    Raises:
        InputError: A run failed.
    """
    _evict_files(bundle)
    cold = _run(arguments)
    again = [_run(arguments) for _ in range(warm)]
    watched = _run(arguments, watch=True)
    return Start(
        cold_s=round(cold.seconds, 3),
        warm_s=[round(run.seconds, 3) for run in again],
        peak_rss_mib=round(max(run.peak_rss_mib for run in (cold, *again, watched)), 1),
        peak_pss_mib=None if watched.peak_pss_mib is None else round(watched.peak_pss_mib, 1),
    )


def measure_baseline_start(bundle: Bundle, arguments: Sequence[str]) -> Start:
    """Start a baseline afresh, once.

    Args:
        bundle: Whose files leave the page cache first.
        arguments: As for `lunar_bench.cost.baseline_once`.

    Raises:
        InputError: It failed.
    """
    _evict_files(bundle)
    run = _run(arguments, module=_BASELINE)
    return Start(
        cold_s=round(run.seconds, 3),
        warm_s=[],
        peak_rss_mib=round(run.peak_rss_mib, 1),
        peak_pss_mib=None,
    )


def _evict_files(bundle: Bundle) -> None:
    for name in bundle.manifest.files:
        _evict(bundle.path / name)


def _evict(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # only clean pages can go
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _run(arguments: Sequence[str], *, watch: bool = False, module: str = _INFER) -> _Run:
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        writes = module == _INFER and "--help" not in arguments
        out = ["--out", str(Path(folder) / "out")] if writes else []
        readable, writable = os.pipe()
        try:
            program = _CHILD.format(module=module)
            command = [sys.executable, "-c", program, str(writable), *arguments, *out]
            begin = time.perf_counter()
            process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=said, pass_fds=[writable]
            )
            os.close(writable)
            pss = _watch(process) if watch else None
            with os.fdopen(readable, "rb", closefd=False) as stream:
                account = stream.read().decode()  # ends when the process does
            process.wait()
            seconds = time.perf_counter() - begin
        finally:
            os.close(readable)
        peak = field_mib(account, "VmHWM")
        if process.returncode or peak is None:
            said.seek(0)
            message = said.read().decode(errors="replace").strip()
            raise InputError(f"the command to measure failed: {message}")
        return _Run(seconds, peak, pss)


def _watch(process: subprocess.Popen[bytes]) -> float | None:
    peak: float | None = None
    while process.poll() is None:
        now = proportional_mib(process.pid)
        if now is not None:
            peak = now if peak is None else max(peak, now)
        time.sleep(_PSS_INTERVAL_S)
    return peak
