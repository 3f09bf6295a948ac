"""What the machine's sensors said during a run."""

from __future__ import annotations

import msgspec


class Channel(msgspec.Struct, frozen=True):
    """One sensor over the run.

    Attributes:
        name: As the machine calls it.
        kind: What is measured.
        unit: Of the values.
        source: Where it was read.
        minimum: Smallest value.
        median: Middle value; of a counter, how much it grew.
        maximum: Largest value.
        series: (seconds since the run began, value), thinned to 300 points; empty for a counter.
    """

    name: str
    kind: str
    unit: str
    source: str
    minimum: float
    median: float
    maximum: float
    series: list[tuple[float, float]]


class Telemetry(msgspec.Struct, frozen=True):
    """What the machine did during the run.

    Attributes:
        channels: Every sensor that was there.
        absent: Kind -> where it was looked for in vain. A kind that is here was not measured;
            nothing stands for it.
        power_rails: Those that add up to the whole draw; empty = no power was measured.
        throttled: Reasons for less speed that were seen; None = nothing here tells.
        interval_s: Between samples.
    """

    channels: list[Channel]
    absent: dict[str, str]
    power_rails: list[str]
    throttled: list[str] | None
    interval_s: float
