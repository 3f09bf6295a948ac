"""Time that may be spent, looked at between the steps of the refinement.

A step asks before it begins: `checkpoint("flow")`. Without a budget that costs a tenth of a
microsecond and does nothing. With one, a step that would end too late is not begun.

The budget belongs to the thread and is not an argument: everything that takes time would have to
hand it on, and only the outermost caller knows whether there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from lunar_runtime.errors import LunarError


class OutOfTimeError(LunarError, TimeoutError):
    """The step that comes next would end too late; whoever set the budget catches it."""


@dataclass
class Budget:
    """Until when, and what was seen on the way.

    Attributes:
        ends_at: Of `time.perf_counter`, when the work must have ended.
        still_ms: How long work takes from a checkpoint to its end, by name and how often the name
            was passed before; 0 = not known.
        passed: Checkpoints with their times, in order.
    """

    ends_at: float
    still_ms: Callable[[str], float]
    passed: list[tuple[str, float]] = field(default_factory=list)

    def check(self, name: str) -> None:
        """Pass a checkpoint.

        Raises:
            OutOfTimeError: What follows it would end too late.
        """
        now = time.perf_counter()
        times = sum(name == seen.partition(" ")[0] for seen, _ in self.passed)
        place = f"{name} {times}"
        if now + self.still_ms(place) / 1e3 > self.ends_at:
            raise OutOfTimeError(f"no time was left before {name}")
        self.passed.append((place, now))


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)


@contextmanager
def within(budget: Budget) -> Iterator[None]:
    """Have every checkpoint that is passed inside look at this budget."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


def checkpoint(name: str) -> None:
    """Between two steps: go on, unless the budget of the caller says that time is up.

    Args:
        name: Of the step that comes next, one word.

    Raises:
        OutOfTimeError: See `Budget.check`.
    """
    budget = _budget.get()
    if budget is not None:
        budget.check(name)
