"""Times of one thing, and how they held over a run."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record


class Timing(msgspec.Struct, frozen=True):
    """Wall-clock times of one thing, milliseconds.

    Attributes:
        count: Runs.
        median_ms: Median.
        quartiles_ms: First and third quartile.
        p90_ms: 90th percentile; None below 10 runs.
        p99_ms: 99th; None below 100.
        p999_ms: 99.9th; None below 1000.
        max_ms: The longest.
        jitter_ms: Mean absolute difference between one run and the next; None for a single run.
        rounds_ms: Every run, in order.
    """

    count: int
    median_ms: float
    quartiles_ms: tuple[float, float]
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    max_ms: float
    jitter_ms: float | None
    rounds_ms: list[float]


class Warmup(Record, frozen=True, kw_only=True):
    """Runs that do not count.

    Attributes:
        runs: How many.
        settled: Whether two neighbouring windows of three agreed to 5 % in the end; False = the
            time for it was up.
    """

    runs: int
    settled: bool


class Deadline(Record, frozen=True, kw_only=True):
    """Runs against `--deadline-ms`.

    Attributes:
        deadline_ms: Allowed.
        runs: All.
        misses: Those that took longer.
        longest_streak: Misses in a row, the worst.
        worst_ms: The longest run.
    """

    deadline_ms: float
    runs: int
    misses: int
    longest_streak: int
    worst_ms: float


class Sustained(Record, frozen=True, kw_only=True):
    """How a candidate fared over a long run.

    Attributes:
        minutes: From the first to the last round.
        drift: Median time of the last tenth over that of the first.
        slope_percent_per_hour: Of the time, robust; with its 95 % interval below.
        slope_interval: Two bounds, or None.
    """

    minutes: float
    drift: float
    slope_percent_per_hour: float
    slope_interval: tuple[float, float] | None
