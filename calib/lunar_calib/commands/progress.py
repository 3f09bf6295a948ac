"""A bar on stderr while many pairs are rendered or measured; nothing outside a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def track(items: Iterable[T], what: str, count: int) -> Iterable[T]:
    """Pass the items on, and show how many of `count` have come."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    return progress.track(items, what, count, console=console, disable=not console.is_terminal)
