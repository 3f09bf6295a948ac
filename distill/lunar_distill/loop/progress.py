"""A bar on a terminal; nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def steps_bar(begin: int, total: int, shown: bool) -> Iterator[Callable[[float], None]]:
    """Yield what to call after each step with its loss."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeLeft())
    with Progress(*columns, console=console, disable=not (shown and console.is_terminal)) as bars:
        task = bars.add_task("training", total=total, completed=begin)

        def advance(loss: float) -> None:
            bars.update(task, advance=1, description=f"loss {loss:.4f}")

        yield advance
