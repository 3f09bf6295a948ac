"""A bar on a terminal that says how many of many are done."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")


@contextmanager
def with_bar(items: Iterable[_Item], of: int | None) -> Iterator[Iterator[_Item]]:
    """The items, with a bar on stderr where that is a terminal.

    Args:
        items: Taken as they are asked for.
        of: How many there are; None = nobody knows, and there is no bar.
    """
    if of is None or not sys.stderr.isatty():
        yield iter(items)
        return
    from rich.console import Console
    from rich.progress import Progress

    # With stdout in a file, rich must not carry it over to the terminal's stderr.
    with Progress(
        console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        yield iter(progress.track(items, total=of))
