"""A command in a process of its own: its time from the shell, and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lunar_runtime import Bundle
from lunar_runtime.errors import InputError

from lunar_bench.sensors.process_memory import field_mib, proportional_mib

#: Where `lunar-infer` begins.
INFER = "lunar_runtime.commands.infer"

# The program, and at its end the kernel's account of it. What wait4() tells of a child instead is
# at least what its parent had: a child starts as its copy.
_CHILD = """
import atexit, os, sys
account = int(sys.argv.pop(1))
atexit.register(lambda: os.write(account, open("/proc/self/status", "rb").read()))
from {module} import main
main()
"""
# Reading PSS makes the kernel walk all pages, a few ms for a GB: only in runs that are not timed.
_PSS_INTERVAL_S = 0.02


class ProcessCost(NamedTuple):
    """What one process took.

    Attributes:
        seconds: From start to exit.
        peak_rss_mib: Largest resident memory.
        peak_pss_mib: Largest PSS seen; None unless it was watched, or the kernel does not tell.
    """

    seconds: float
    peak_rss_mib: float
    peak_pss_mib: float | None


def run_afresh(
    arguments: Sequence[str], *, module: str = INFER, watch: bool = False
) -> ProcessCost:
    """Run a module's `main` in a process of its own; what `lunar-infer` writes is thrown away.

    Args:
        arguments: Of the command, without `--out`.
        module: Whose `main` it is.
        watch: Also sample PSS, which takes time.

    Raises:
        InputError: The command failed; its message is in the error.
    """
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        writes = module == INFER and "--help" not in arguments
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
        return ProcessCost(seconds, peak, pss)


def evict_files(bundle: Bundle) -> None:
    """Take a bundle's files out of the page cache."""
    for name in bundle.manifest.files:
        _evict(bundle.path / name)


def _evict(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)  # only clean pages can go
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _watch(process: subprocess.Popen[bytes]) -> float | None:
    peak: float | None = None
    while process.poll() is None:
        now = proportional_mib(process.pid)
        if now is not None:
            peak = now if peak is None else max(peak, now)
        time.sleep(_PSS_INTERVAL_S)
    return peak
