"""How a pair's deadline was met and which monitors tripped, as report.json holds it."""

from __future__ import annotations

from lunar_runtime.inference.ladder import RungName
from lunar_runtime.report.input_records import Record


class FlownReport(Record, frozen=True, kw_only=True):
    """How the pair's deadline was met.

    Attributes:
        rung: `refined`; `coarse`: the same at fewer pixels; `geometry`: the images alone;
            `network`: the network alone; `last good`: an earlier pair's result.
        step: Pixels of the full result that one pixel here stands for, along a side.
        deadline_ms: That was given, from the call to the result; writing comes after.
        took_ms: That it took.
        met: Whether the result was there in time.
        passed_over: Better rungs, each with the reason why not.
        age_s: Of `last good`: since its pair was given.
    """

    rung: RungName
    step: int
    deadline_ms: float
    took_ms: float
    met: bool
    passed_over: list[str]
    age_s: float | None


class AlarmReport(Record, frozen=True):
    """A monitor that tripped.

    Attributes:
        monitor: `network`, `prior`, `domain`, `frozen` or `scale`.
        saw: What it saw, in words.
    """

    monitor: str
    saw: str
