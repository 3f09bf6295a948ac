"""Memory of processes, as the kernel counts it."""

from __future__ import annotations

import os
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_mib() -> float:
    """Resident memory of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 2**20


def proportional_mib(process: int) -> float | None:
    """PSS of a process: pages that it shares count by its share. None where it cannot be read."""
    try:
        return field_mib(Path(f"/proc/{process}/smaps_rollup").read_text(), "Pss")
    except OSError:
        return None


def field_mib(text: str, field: str) -> float | None:
    """A field of /proc/PID/status or smaps_rollup, as in `Pss:  271 kB`; None if not there."""
    for line in text.splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return None
