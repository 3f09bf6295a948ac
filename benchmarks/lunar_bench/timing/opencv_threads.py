"""The refinement's threads are OpenCV's, which are the whole process's; the network has its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def opencv_threads(threads: int | None) -> Iterator[None]:
    """So many while it lasts, then as many as before; None = as they are."""
    before = cv2.getNumThreads()
    if threads is not None:
        cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
