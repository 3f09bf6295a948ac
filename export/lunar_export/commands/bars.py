"""Where a long job is, on the terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lunar_export.progress import LOG, Progress


def bars_wanted() -> bool:
    """Whether there is a terminal that nothing is logged to."""
    return sys.stderr.isatty() and not logging.getLogger(__name__).isEnabledFor(logging.INFO)


@contextmanager
def progress_bars() -> Iterator[Progress]:
    """Bars on the terminal, or else the log."""
    if not bars_wanted():
        yield LOG
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    class Bars:
        def begin(self, stage: str, steps: int = 1) -> None:
            for task in bars.tasks:
                bars.update(task.id, completed=task.total)
                bars.stop_task(task.id)
            bars.add_task(stage, total=steps)

        def step(self) -> None:
            bars.advance(bars.tasks[-1].id)

    columns = (TextColumn("{task.description:<20}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Bars()
