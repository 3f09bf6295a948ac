"""A record of every pair, with counters, and pings between pairs.

As in F Prime's Health component, whoever listens is pinged at a period, and silence means that the
process is gone. A ping tells how long the present pair has been running: it warns after
`warn_after_s` and is fatal after `fatal_after_s`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from lunar_runtime.errors import BackendError, BundleError, LunarError
from lunar_runtime.files.printable import printable
from lunar_runtime.guard.condition import condition_of
from lunar_runtime.guard.health_record import Counters, HealthRecord, Severity
from lunar_runtime.guard.health_sink import Sink
from lunar_runtime.guard.vital_signs import VitalSigns
from lunar_runtime.inference.result import StereoResult

#: Of pings, seconds.
PING_S = 1.0
#: A pair takes 0.4 to 3 s on a computer with nothing else to do, and up to 8 s on one that is five
#: times overloaded.
WARN_AFTER_S, FATAL_AFTER_S = 10.0, 60.0

_log = logging.getLogger(__name__)
_FATAL_IN_A_ROW = 5  # refused pairs: one bad image is an image's fault, five are not
_LONGEST_TEXT = 300  # characters of a reason: a datagram holds all of them


class Health:
    """Tells a sink of every pair; a context manager. Threads may share one.

    Args:
        sink: Where records go.
        restarts: Gives how often the network's process was restarted; None = there is none.
        scrub: Gives how far the check of the weights is; None = there is none.
        activations: Gives what watching the activations found; None = nobody watches.
        ping_s: Period of the pings; None = no pings.
        warn_after_s: Of a pair that is running.
        fatal_after_s: The same.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        restarts: Callable[[], int] | None = None,
        scrub: Callable[[], dict[str, Any] | None] | None = None,
        activations: Callable[[], dict[str, Any] | None] | None = None,
        ping_s: float | None = PING_S,
        warn_after_s: float = WARN_AFTER_S,
        fatal_after_s: float = FATAL_AFTER_S,
    ) -> None:
        self.counters = Counters()
        self._sink, self._restarts, self._scrub = sink, restarts, scrub
        self._activations, self._ping_s = activations, ping_s
        self._warn_after_s, self._fatal_after_s = warn_after_s, fatal_after_s
        self._signs = VitalSigns()
        self._loaded_at = time.monotonic()
        self._running: dict[int, float] = {}
        self._sequence = self._refused_in_a_row = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._pinging: threading.Thread | None = None

    def __enter__(self) -> Health:
        if self._ping_s is not None:
            self._pinging = threading.Thread(target=self._ping, name="health", daemon=True)
            self._pinging.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._pinging is not None:
            self._pinging.join()
        self._signs.close()
        self._sink.close()
        if self.counters.lost_records:
            _log.warning(
                "health: %d of %d records could not be handed on",
                self.counters.lost_records,
                self._sequence,
            )

    @contextmanager
    def pair(self) -> Iterator[Callable[[StereoResult], None]]:
        """A pair that runs inside: what is yielded is to be given its result.

        An error that leaves is recorded, and goes on.
        """
        start, me = time.monotonic(), threading.get_ident()
        with self._lock:
            self._running[me] = start
        results: list[StereoResult] = []
        try:
            yield results.append
        except Exception as error:
            self._refused(error, (time.monotonic() - start) * 1e3)
            raise
        finally:
            with self._lock:
                del self._running[me]
        for result in results:
            self._passed(result, (time.monotonic() - start) * 1e3)

    def _passed(self, result: StereoResult, took_ms: float) -> None:
        judged = condition_of(result)
        flown = result.flown
        with self._lock:
            counters = self.counters
            counters.pairs += 1
            counters.nominal += judged.condition == "nominal"
            counters.degraded += judged.condition == "degraded"
            counters.late += flown is not None and not flown.met
            counters.aged += flown is not None and flown.age_s is not None
            counters.dropped_priors += any(a.monitor in ("network", "prior") for a in result.alarms)
            counters.network_failures += any(a.monitor == "network" for a in result.alarms)
            counters.not_finite += sum(result.not_finite.values())
            self._refused_in_a_row = 0
            self._put(
                "ping" if judged.condition == "nominal" else "warn",
                kind="pair",
                condition=judged.condition,
                degraded_to=judged.degraded_to,
                verdict=result.verdict,
                reasons=[_text(reason) for reason in result.verdict_reasons],
                monitors={alarm.monitor: _text(alarm.saw) for alarm in result.alarms},
                rung=None if flown is None else flown.rung_name(),
                deadline_ms=None if flown is None else flown.deadline_ms,
                met=None if flown is None else flown.met,
                age_s=None if flown is None else flown.age_s,
                took_ms=took_ms if flown is None else flown.took_ms,
                timings_ms={name: round(ms, 2) for name, ms in result.timings_ms.items()},
            )

    def _refused(self, error: Exception, took_ms: float) -> None:
        with self._lock:
            self.counters.pairs += 1
            self.counters.refused += 1
            self.counters.network_failures += isinstance(error, BackendError)
            self._refused_in_a_row += 1
            own = not isinstance(error, LunarError) or isinstance(error, BackendError | BundleError)
            fatal = own or self._refused_in_a_row >= _FATAL_IN_A_ROW
            self._put(
                "fatal" if fatal else "warn",
                kind="pair",
                condition="refused",
                reasons=[_text(f"{type(error).__name__}: {error}")],
                took_ms=took_ms,
            )

    def _ping(self) -> None:
        while not self._ended.wait(self._ping_s):
            with self._lock:
                oldest = min(self._running.values(), default=None)
                busy_s = None if oldest is None else time.monotonic() - oldest
                severity: Severity = "ping"
                if busy_s is not None and busy_s > self._warn_after_s:
                    severity = "fatal" if busy_s > self._fatal_after_s else "warn"
                self._put(severity, kind="ping", took_ms=None if busy_s is None else busy_s * 1e3)

    def _put(self, severity: Severity, **fields: Any) -> None:
        """Hand a record on; the lock is held."""
        if self._restarts is not None:
            self.counters.restarts = self._restarts()
        record = HealthRecord(
            sequence=self._sequence,
            time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            uptime_s=round(time.monotonic() - self._loaded_at, 3),
            severity=severity,
            counters=self.counters,
            scrub=None if self._scrub is None else self._scrub(),
            activations=None if self._activations is None else self._activations(),
            temperature_c=self._signs.temperature_c(),
            resident_mib=self._signs.resident_mib(),
            **fields,
        )
        self._sequence += 1
        if not self._sink.put(record):
            if not self.counters.lost_records:
                _log.warning("health: a record could not be handed on; pairs go on")
            self.counters.lost_records += 1


def _text(words: str) -> str:
    return printable(words)[:_LONGEST_TEXT]
