"""Memory that a process holds and does not need at the moment."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
from pathlib import Path

_MAPS = Path("/proc/self/smaps")
# Of malloc.h: M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX
_TRIM_FROM, _MMAP_FROM, _MOST_HEAPS = -1, -3, -8


def give_back() -> None:
    """Have the C library give back what it holds; nothing where it is not glibc.

    After a graph was rewritten it holds 60 MB, after a network ran 40 MB. Other threads do not use
    what one of them left, and so a process grows by it.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def share_one_heap() -> None:
    """Have all threads take from one heap; nothing where the C library is not glibc.

    Else each has its own, and the top of what a thread had is not given back: 16 MB after a network
    was loaded in one. For a program's first lines, not for a library: it is of the whole process.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(_MOST_HEAPS, 1)


def keep() -> None:
    """Have the C library keep what arrays leave, up to 32 MB each; nothing where it is not glibc.

    Else it gives large ones back and the system clears every page again: a seventh of the time of
    maps. For a program's first lines, where time counts more than memory.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        for which in (_MMAP_FROM, _TRIM_FROM):
            choose(which, 32 << 20)


def give_back_code() -> None:
    """Have the system take back pages of libraries' code; those needed again come from its cache.

    Half of the 60 MiB that the libraries have in memory is for imports, parsers and the rewriting
    of a graph. Only pages that nobody may write to and nobody wrote to are given back: they are
    those of the files.
    """
    advise = getattr(ctypes.CDLL(None), "madvise", None)
    if advise is None or not hasattr(mmap, "MADV_DONTNEED"):
        return
    with contextlib.suppress(OSError):  # no /proc: everything stays as it is
        for start, end in _code_of_files(_MAPS.read_text()):
            advise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)


def _code_of_files(maps: str) -> list[tuple[int, int]]:
    """First and last address of every mapping of code that is as it is in its file.

    Args:
        maps: Content of /proc/PID/smaps.
    """
    found, place = [], None
    for line in maps.splitlines():
        words = line.split()
        if not words[0].endswith(":"):  # the first line of a mapping: addresses, rights, ..., file
            code = words[1].startswith("r-x") and len(words) > 5 and words[5].startswith("/")
            first, _, last = words[0].partition("-")
            place = (int(first, 16), int(last, 16)) if code else None
        elif words[0] == "Anonymous:" and place is not None and words[1] == "0":
            found.append(place)
    return found
