"""What is known of the runtime's health after a pair: one record, one line of JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

#: Of the record's layout.
HEALTH_VERSION = 1

#: `ping`: all is as it must be, or a component answers; `warn`: something is not, and was coped
#: with; `fatal`: nothing usable comes out any more.
Severity = Literal["ping", "warn", "fatal"]

#: What became of a pair. `nominal`: what was asked for, measured; `degraded`: less than that, and
#: said; `refused`: an error instead of a result.
Condition = Literal["nominal", "degraded", "refused"]


class Counters(msgspec.Struct, kw_only=True):
    """Since the runtime was loaded; they only grow.

    Attributes:
        pairs: That were given.
        nominal: Of those.
        degraded: Of those.
        refused: Of those.
        late: Results that came after their deadline.
        aged: Earlier results that stood in.
        dropped_priors: Networks' words that were dropped because the matches contradict them.
        network_failures: Times that the inference library failed or hung.
        restarts: Of the process that runs the network.
        not_finite: Pixels that the network gave as NaN or infinite.
        lost_records: Health records that could not be handed on.
    """

    pairs: int = 0
    nominal: int = 0
    degraded: int = 0
    refused: int = 0
    late: int = 0
    aged: int = 0
    dropped_priors: int = 0
    network_failures: int = 0
    restarts: int = 0
    not_finite: int = 0
    lost_records: int = 0


class HealthRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One pair, or the answer to a ping between pairs.

    Attributes:
        health_version: Of this layout.
        kind: `pair` or `ping`.
        sequence: Of the records, from 0.
        time: UTC, ISO 8601 with milliseconds.
        uptime_s: Since the runtime was loaded.
        severity: See `Severity`.
        condition: What became of the pair; None for a ping.
        degraded_to: What it was degraded to, in words; None where it was not.
        verdict: `measured` or `guessed`; None where nothing came out.
        reasons: Why it is guessed, or the error.
        monitors: Monitors that tripped, each with what it saw.
        rung: Of the ladder, as `coarse 1/2`; None without a deadline.
        deadline_ms: That was given.
        met: Whether the result was there in time.
        age_s: Of an earlier result that stood in.
        took_ms: From the pair to its result or error; of a ping, how long a pair has been running.
        timings_ms: Per stage.
        counters: See `Counters`.
        scrub: How far the check of the weights in memory is; None where there is none.
        activations: Pairs with an activation out of bounds; None where nobody counts.
        temperature_c: The hottest of the system's zones; None where it has none.
        resident_mib: Memory of the process.
    """

    health_version: int = HEALTH_VERSION
    kind: Literal["pair", "ping"]
    sequence: int
    time: str
    uptime_s: float
    severity: Severity
    condition: Condition | None = None
    degraded_to: str | None = None
    verdict: str | None = None
    reasons: list[str] = []
    monitors: dict[str, str] = {}
    rung: str | None = None
    deadline_ms: float | None = None
    met: bool | None = None
    age_s: float | None = None
    took_ms: float | None = None
    timings_ms: dict[str, float] = {}
    counters: Counters
    scrub: dict[str, Any] | None = None
    activations: dict[str, Any] | None = None
    temperature_c: float | None = None
    resident_mib: float | None = None


def encode_health(record: HealthRecord) -> bytes:
    """One line of JSON, with its newline."""
    return msgspec.json.encode(record) + b"\n"
