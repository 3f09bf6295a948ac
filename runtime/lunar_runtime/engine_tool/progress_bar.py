"""A build's phases as bars on the terminal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from lunar_runtime.engine_tool.progress import BuildProgress, LoggedProgress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class BarProgress:
    """One bar for each phase that is under way, the outermost first."""

    def __init__(self, bars: Progress) -> None:
        self.cancelled = False
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def begin(self, phase: str, parent: str | None, steps: int) -> None:
        """Add its bar."""
        self.end(phase)  # TensorRT repeats names, as in `Computing reformatting costs`
        self._tasks[phase] = self._bars.add_task(phase, total=steps)

    def step(self, phase: str, step: int) -> None:
        """Move its bar."""
        if phase in self._tasks:
            self._bars.update(self._tasks[phase], completed=step + 1)

    def end(self, phase: str) -> None:
        """Take its bar away."""
        task = self._tasks.pop(phase, None)
        if task is not None:
            self._bars.remove_task(task)


@contextmanager
def build_progress() -> Iterator[BuildProgress]:
    """Bars on a terminal, the log elsewhere; Ctrl-C asks the builder to stop.

    Without that, Python would hear of the interrupt only after the build, minutes later.
    """
    if not sys.stderr.isatty():
        yield from _interruptible(LoggedProgress())
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield from _interruptible(BarProgress(bars))


def _interruptible(progress: LoggedProgress | BarProgress) -> Iterator[BuildProgress]:
    def cancel(_: int, __: FrameType | None) -> None:
        progress.cancelled = True

    before = signal.signal(signal.SIGINT, cancel)
    try:
        yield progress
    finally:
        signal.signal(signal.SIGINT, before)
    if progress.cancelled:
        raise KeyboardInterrupt
