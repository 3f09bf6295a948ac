"""Work beside other work, on as many threads as OpenCV has: NumPy and OpenCV let each other run.

Only work of milliseconds gains by it. Threads take turns at Python itself, so of many operations on
small arrays two threads do no more than one (a plate's solution of 256 × 256 px twice: 0.96 of the
time of one after the other; dense flow twice: 0.62). What comes out does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import cv2

_T = TypeVar("_T")
_U = TypeVar("_U")


def at_once(do: Callable[[_T], _U], parts: Iterable[_T]) -> list[_U]:
    """What is made of the parts, in their order; the first error in that order is raised."""
    waiting = list(parts)
    threads = min(cv2.getNumThreads(), len(waiting))
    if threads < 2:
        return [do(part) for part in waiting]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, waiting))


def begun(do: Callable[[], _U]) -> Callable[[], _U]:
    """Work that a thread does meanwhile; called, what came of it.

    Where there is no second thread for it, it is done when it is called.
    """
    if cv2.getNumThreads() < 2:
        return do
    pool = ThreadPoolExecutor(1)
    coming = pool.submit(do)
    pool.shutdown(wait=False)
    return coming.result
