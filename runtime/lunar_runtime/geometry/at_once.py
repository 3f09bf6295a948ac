"""Work beside other work, on as many threads as OpenCV has: NumPy and OpenCV let each other run.

Threads take turns at Python itself. Two of them, each with its own half of the work, take of the
time of one after the other (an idle machine of two cores): 0.53 where single steps take a tenth of
a millisecond (filters, flow, features), 0.55 to 0.75 on arrays of 512 × 512, 0.7 to 0.85 of
256 × 256, where a step takes 10 µs, and 1 of less. What comes out does not depend on it.

The helping threads stay: to make one takes a tenth of a millisecond, and more where its memory is
new. Whoever asks for work does its share, and never waits for a helper that has not begun.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import cv2

_T = TypeVar("_T")
_U = TypeVar("_U")


class _Helpers:
    """Threads besides the one that asks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._count = 0

    def ask(self, do: Callable[[], Any], count: int) -> Future[Any]:
        """Have one of so many do something as soon as it is free."""
        with self._lock:
            if self._pool is None or self._count != count:
                if self._pool is not None:
                    self._pool.shutdown(wait=False)
                self._pool, self._count = ThreadPoolExecutor(count, "helper"), count
            return self._pool.submit(do)


_helpers = _Helpers()
# Threads do not come along into a process that was forked.
os.register_at_fork(after_in_child=_helpers.__init__)  # type: ignore[misc]


def at_once(do: Callable[[_T], _U], parts: Iterable[_T]) -> list[_U]:
    """What is made of the parts, in their order; the first error in that order is raised."""
    waiting = list(parts)
    threads = cv2.getNumThreads()
    helping = min(threads, len(waiting)) - 1
    if helping < 1:
        return [do(part) for part in waiting]
    done: list[Future[_U]] = [Future() for _ in waiting]
    places = iter(range(len(waiting)))
    taking = threading.Lock()

    def take() -> int | None:
        with taking:
            return next(places, None)

    def work() -> None:
        while (place := take()) is not None:
            try:
                done[place].set_result(do(waiting[place]))
            except BaseException as error:
                done[place].set_exception(error)

    asked = [_helpers.ask(work, threads - 1) for _ in range(helping)]
    work()
    for one in asked:
        if not one.cancel():  # it has begun, and may not have ended
            one.result()
    return [one.result() for one in done]


def begun(do: Callable[[], _U]) -> Callable[[], _U]:
    """Work that a thread does meanwhile; called, what came of it.

    Where no second thread was free for it, it is done when it is called.
    """
    threads = cv2.getNumThreads()
    if threads < 2:
        return do
    coming: Future[_U] = _helpers.ask(do, threads - 1)
    return lambda: do() if coming.cancel() else coming.result()
