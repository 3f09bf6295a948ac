"""How much of their stacks the threads of this process ever used.

A page of a stack that was touched stays resident, so that what is resident of it is the most that
was used, in whole pages. Linux tells where the stack of a thread is while it waits.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_OWN = Path("/proc/self")
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)")
_MAIN = "[stack]"
_RUNNING = "running"
_TRIES, _PAUSE_S = 50, 0.01


class Stack(NamedTuple):
    """One thread's stack.

    Attributes:
        thread: Its number; the process's own is that of the main thread.
        touched_kib: The most that was ever used.
        size_kib: Of the mapping: its limit, but of the main thread's, which grows.
    """

    thread: int
    touched_kib: int
    size_kib: int


class _Mapping(NamedTuple):
    start: int
    end: int
    name: str
    resident_kib: int


def touched_stacks() -> list[Stack]:
    """Of the main thread, and of every other one that waits within half a second.

    Empty where the kernel does not tell, as on other systems than Linux.
    """
    main, found = os.getpid(), {}
    try:
        for _ in range(_TRIES):
            mappings = list(_mappings())
            threads = [int(path.name) for path in (_OWN / "task").iterdir()]
            for thread in threads:
                mapping = _of_main(mappings) if thread == main else _of(thread, mappings)
                if mapping is not None:
                    size = (mapping.end - mapping.start) // 1024
                    found[thread] = Stack(thread, mapping.resident_kib, size)
            if len(found) >= len(threads):
                break
            time.sleep(_PAUSE_S)
    except OSError:
        return []
    return sorted(found.values())


def _of_main(mappings: list[_Mapping]) -> _Mapping | None:
    return next((each for each in mappings if each.name == _MAIN), None)


def _of(thread: int, mappings: list[_Mapping]) -> _Mapping | None:
    """Where the stack pointer of a thread lies; None while it runs, or where it has ended."""
    try:
        words = (_OWN / f"task/{thread}/syscall").read_text().split()
    except OSError:
        return None
    if words[0] == _RUNNING or len(words) < 3:
        return None
    pointer = int(words[-2], 16)
    return next((each for each in mappings if each.start <= pointer < each.end), None)


def _mappings() -> Iterator[_Mapping]:
    found: re.Match[str] | None = None
    for line in (_OWN / "smaps").read_text().splitlines():
        if line.startswith("Rss:") and found is not None:
            resident = int(line.split()[1])
            yield _Mapping(int(found[1], 16), int(found[2], 16), found[3], resident)
        else:
            found = _MAPPING.match(line) or found
