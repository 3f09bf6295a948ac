"""Rendering by several processes: results in the order of the tasks, whoever made them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, TypeVar

import cv2

T = TypeVar("T")


def in_processes(
    function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], jobs: int
) -> Iterator[T]:
    """Yield `function(*task)` of every task, in order.

    Args:
        function: Of a module, as it goes to other processes by name.
        tasks: Arguments; they and the results are pickled.
        jobs: Processes; 1 computes in this one.
    """
    if jobs <= 1:
        for task in tasks:
            yield function(*task)
        return
    # A process that is forked beside OpenCV's threads may hang, and Python 3.12 warns of it.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=_one_thread) as pool:
        futures = [pool.submit(function, *task) for task in tasks]
        try:
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    cv2.setNumThreads(1)
