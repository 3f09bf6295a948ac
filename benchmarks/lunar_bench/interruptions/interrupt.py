"""Running a command that is interrupted, and what it leaves."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from lunar_bench.interruptions.record import Kind

_LONGEST_S = 180.0  # of a command that must end by itself
_MIB = 1 << 20
_SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
_LIMITS = {"address": resource.RLIMIT_AS, "data": resource.RLIMIT_DATA}


class Ended(NamedTuple):
    """How a command ended.

    Attributes:
        exit: Its code; None where it did not end by itself.
        err: Of stderr, the lines.
        took_s: From its start.
        wrote_from_s: When it was first seen to write its output; None = never.
    """

    exit: int | None
    err: list[str]
    took_s: float
    wrote_from_s: float | None


def run(
    command: Sequence[str],
    out: Path,
    environment: dict[str, str],
    kind: Kind | None = None,
    at: float = 0.0,
    *,
    writing: bool = False,
) -> Ended:
    """Run a command, and interrupt it.

    What it writes is hidden until it is whole.

    Args:
        command: To run.
        out: Folder that its output comes into, watched.
        environment: Of the process.
        kind: Of the interruption; None = none. A disk is made by the caller.
        at: Seconds after the start, or MiB of memory.
        writing: Seconds count from the first file of the output.
    """
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        preexec_fn=_limited(kind, at),
        text=True,
    )
    wrote_from: float | None = None
    pending = kind in ("kill", "term", "stop")
    while process.poll() is None:
        now = time.perf_counter() - start
        if wrote_from is None and any(out.rglob(".*")):
            wrote_from = now
        since = now if not writing else -1.0 if wrote_from is None else now - wrote_from
        if pending and since >= at:
            pending = False
            _send(process, kind)
        if now > _LONGEST_S:
            process.kill()
            process.wait()
            return Ended(None, _said(process), now, wrote_from)
        time.sleep(0.002)
    return Ended(process.returncode, _said(process), time.perf_counter() - start, wrote_from)


def children(parent: int) -> list[int]:
    """Processes that one started."""
    with suppress(OSError):
        listed = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        return [int(each) for each in listed.split()]
    return []


def _limited(kind: Kind | None, at: float) -> Callable[[], None] | None:
    if kind not in _LIMITS:
        return None
    limit = int(at * _MIB)
    return lambda: resource.setrlimit(_LIMITS[kind], (limit, limit))


def _send(process: subprocess.Popen[str], kind: Kind | None) -> None:
    if kind == "stop":
        for child in children(process.pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)
    elif kind is not None:
        process.send_signal(_SIGNALS[kind])


def _said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stderr is not None
    with process.stderr as stream:
        return stream.read().splitlines()
