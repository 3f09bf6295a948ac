"""Temperature and memory as the kernel tells them, from files that are opened once."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_ZONES = Path("/sys/class/thermal")
_MEMORY = Path("/proc/self/statm")
_LONGEST = 256  # bytes of such a file
_HOTTEST_C = 200.0  # beyond it a zone is not connected


class VitalSigns:
    """See the module; a context manager.

    Args:
        zones: Folder of `thermal_zone*`.
        memory: The process's pages, as the kernel's `statm`.
    """

    def __init__(self, zones: Path = _ZONES, memory: Path = _MEMORY) -> None:
        self._zones = [
            opened
            for zone in sorted(zones.glob("thermal_zone*/temp"))
            if (opened := _opened(zone)) is not None
        ]
        self._memory = _opened(memory)
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def temperature_c(self) -> float | None:
        """Of the hottest zone; None where the system has none."""
        found = []
        for zone in self._zones:
            with contextlib.suppress(OSError, ValueError):
                found.append(int(os.pread(zone, _LONGEST, 0)) / 1e3)
        sane = [one for one in found if -_HOTTEST_C < one < _HOTTEST_C]
        return max(sane, default=None)

    def resident_mib(self) -> float | None:
        """Memory that the process holds; None where the kernel does not say."""
        if self._memory is None:
            return None
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(os.pread(self._memory, _LONGEST, 0).split()[1])
            return pages * self._page_bytes / 2**20
        return None

    def close(self) -> None:
        """Give the files back."""
        for opened in (*self._zones, *([] if self._memory is None else [self._memory])):
            os.close(opened)
        self._zones, self._memory = [], None


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
