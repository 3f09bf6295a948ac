"""How many cores this process may use: more threads than that are too many."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from lunar_runtime.errors import UsageError

#: Where control groups hang, and the file that names this process's.
CGROUP = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """Cores that the process may run on, and that its control groups pay for; at least 1."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min(cores, granted_cores(CGROUP, MEMBERSHIP) or cores))


def check_threads(threads: int | None) -> None:
    """Refuse a number of threads that no library should be asked for.

    More threads than cores only take turns, and libraries that spin while they wait then take
    longer (ONNX Runtime: 1.8 to 2.8 times); thousands do not end.

    Raises:
        UsageError: `threads` is not positive, or over the usable cores.
    """
    if threads is None:
        return
    if threads < 1:
        raise UsageError(f"threads {threads}: needs to be 1 or more")
    cores = usable_cores()
    if threads > cores:
        raise UsageError(
            f"`threads` {threads}: this process may use {cores} of the machine's cores; give "
            f"{cores} or fewer"
        )


def granted_cores(root: Path, membership: Path) -> int | None:
    """Cores' worth of time that the process's control groups grant, rounded up; None = no limit.

    A group gets no more than any group around it.

    Args:
        root: Where the groups hang, of version 2 or 1. In a container that is its own group.
        membership: The file that names the process's group below that.
    """
    granted = [_granted(folder) for folder in control_groups(root, membership, "cpu")]
    return min((cores for cores in granted if cores is not None), default=None)


def control_groups(root: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Folders of the process's groups for `cpu` or `memory`, from its own to the root."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = (line + "::").split(":")[:3]
        if controllers and controller not in controllers.split(","):
            continue
        below = Path(path.strip("/"))
        for group in (below, *below.parents):
            if ".." not in group.parts:  # outside what this container sees
                yield root / (controller if controllers else "") / group
    yield root
    yield root / controller


def _granted(group: Path) -> int | None:
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text()
            period = (group / "cpu.cfs_period_us").read_text()
        granted = int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):  # `max`: no limit
        return None
    return math.ceil(granted) if granted > 0 else None
