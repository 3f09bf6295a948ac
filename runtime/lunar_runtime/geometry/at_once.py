"""Work beside other work, on as many threads as OpenCV has: NumPy and OpenCV let each other run.

Threads take turns at Python itself. Two of them, each with its own half of the work, take of the
time of one after the other (an idle machine of two cores): 0.53 where single steps take a tenth of
a millisecond (filters, flow, features), 0.55 to 0.75 on arrays of 512 × 512, 0.7 to 0.85 of
256 × 256, where a step takes 10 µs, and 1 of less. What comes out does not depend on it.

The helping threads stay: to make one takes a tenth of a millisecond, and more where its memory is
new. Whoever asks for work does its share, and never waits for a helper that has not begun. What
somebody waits for goes before what was begun for later.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import cv2

_T = TypeVar("_T")
_U = TypeVar("_U")


_Task = tuple["Future[Any]", Callable[[], Any]]


class _Tasks:
    """What helpers have to do: the urgent first, each kind in its order.

    A signal may come between a task and the word that there is one: the next word is of both.
    """

    def __init__(self) -> None:
        self._urgent: SimpleQueue[_Task] = SimpleQueue()
        self._later: SimpleQueue[_Task] = SimpleQueue()
        self._word: SimpleQueue[bool] = SimpleQueue()  # true: there may be one; false: no more

    def put(self, task: _Task, *, urgent: bool) -> None:
        (self._urgent if urgent else self._later).put(task)
        self._word.put(True)

    def end(self) -> None:
        """One helper has nothing more to do, once all is done."""
        self._word.put(False)

    def get(self) -> _Task | None:
        """Waits for the next one; None = no more."""
        while True:
            for tasks in (self._urgent, self._later):
                with suppress(Empty):
                    return tasks.get_nowait()
            if not self._word.get():
                return None


class _Helpers:
    """Threads besides the one that asks.

    An executor's threads are told to end by what is noted after they have started. A signal that
    comes in between would leave one that nobody tells, and Python waits for it for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks = _Tasks()
        self._threads: list[threading.Thread] = []

    def ask(self, do: Callable[[], Any], count: int, *, urgent: bool) -> Future[Any]:
        """Have one of so many do something as soon as it is free; if urgent, before the rest."""
        task: Future[Any] = Future()
        with self._lock:
            if len(self._threads) != count:
                self._dismiss()
                for _ in range(count):
                    self._threads.append(
                        threading.Thread(
                            target=_help, args=(self._tasks,), name="helper", daemon=True
                        )
                    )
                    try:
                        self._threads[-1].start()
                    except RuntimeError:  # the system has none left: whoever asks does it all
                        self._threads.pop()
                        break
            self._tasks.put((task, do), urgent=urgent)
        return task

    def end(self) -> None:
        """Let every thread end what it does."""
        with self._lock:
            ending = self._dismiss()
        for thread in ending:
            if thread.is_alive():
                thread.join()

    def _dismiss(self) -> list[threading.Thread]:
        ending, self._threads = self._threads, []
        for _ in ending:
            self._tasks.end()
        self._tasks = _Tasks()
        return ending


def _help(tasks: _Tasks) -> None:
    while (task := tasks.get()) is not None:
        coming, do = task
        if coming.set_running_or_notify_cancel():
            try:
                coming.set_result(do())
            except BaseException as error:
                coming.set_exception(error)
        del task, coming, do  # nothing is kept until the next one


_helpers = _Helpers()
# Threads do not come along into a process that was forked.
os.register_at_fork(after_in_child=_helpers.__init__)  # type: ignore[misc]
atexit.register(_helpers.end)


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

    asked = [_helpers.ask(work, threads - 1, urgent=True) for _ in range(helping)]
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
    coming: Future[_U] = _helpers.ask(do, threads - 1, urgent=False)
    return lambda: do() if coming.cancel() else coming.result()
