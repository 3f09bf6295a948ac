"""How many cores this process may use, and how many threads are too many for them."""

from __future__ import annotations

import math
import os
from pathlib import Path

from lunar_runtime.errors import UsageError

# More threads than cores only take turns; a few times as many does no harm, thousands do not end.
_MOST_THREADS_PER_CORE = 4
_CGROUP = Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that the process may run on, and that its control group pays for; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, granted_cores(_CGROUP) or cores))


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that no library should be asked for.

    Raises:
        UsageError: `threads` is not positive, or over 4 for each usable core.
    """
    if threads is None:
        return
    if threads < 1:
        raise UsageError(f"threads {threads}: needs to be 1 or more")
    cores = usable_cores()
    most = _MOST_THREADS_PER_CORE * cores
    if threads > most:
        raise UsageError(
            f"`threads` {threads}: this process may use {cores} of the machine's cores; give "
            f"{most} or fewer"
        )


def granted_cores(cgroup: Path) -> int | None:
    """Cores' worth of time that a control group grants, rounded up; None = no limit known.

    Args:
        cgroup: Where the group's files are: of version 2, or of version 1.
    """
    try:
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text()
        granted = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # `max`: no limit
        return None
    return math.ceil(granted) if granted > 0 else None
