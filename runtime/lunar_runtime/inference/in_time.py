"""A pair with a deadline: the best rung that fits, and the next one where it turns out not to.

    work = read(left, right)            nothing is decided before the images are read
    for rung in ladder:                 the best first
        expected(rung) > left?          passed over, and said
        run it, looking at the clock    given up between two steps: the next rung has what is left
    the last good result, with its age
    DeadlineError

What is expected of a rung is what it took lately on this machine (`costs`): enough for 95 of 100
pairs. So a pair answers late where a single step takes longer than it ever did.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from lunar_runtime.errors import DeadlineError, UsageError
from lunar_runtime.inference.attempt import NEVER, Attempt, Network
from lunar_runtime.inference.clock import Clock
from lunar_runtime.inference.costs import Costs
from lunar_runtime.inference.flown import Flown
from lunar_runtime.inference.ladder import Rung
from lunar_runtime.inference.options import InferOptions
from lunar_runtime.inference.result import StereoResult
from lunar_runtime.inference.work import PairWork
from lunar_runtime.refinement.acceptance import NotRefinedError

#: Reads a pair.
Read = Callable[[Clock], PairWork]

_READ = "read", 1  # whatever its size: images of one call are mostly alike


class _LastGood(NamedTuple):
    """An earlier pair's result; times are of `time.perf_counter`."""

    result: StereoResult
    options: InferOptions
    given_at: float


class InTime:
    """Answers pairs within deadlines; remembers costs and the last good result.

    Threads may share one.
    """

    def __init__(self) -> None:
        self.costs = Costs()
        self._last: _LastGood | None = None
        self._lock = threading.Lock()

    def infer(
        self,
        read: Read,
        network: Network,
        options: InferOptions,
        deadline_ms: float,
        given_at: float,
    ) -> StereoResult:
        """Answer one pair.

        Args:
            read: Reads it.
            network: The loaded network.
            options: What is asked of it.
            deadline_ms: From `given_at` on.
            given_at: Of `time.perf_counter`, when the pair was given.

        Raises:
            DeadlineError: Nothing fits, and there is no earlier result.
            InputError: The pair cannot be used.
            BackendError: The inference library failed, nothing does without it, and there is no
                earlier result.
        """
        clock, ends_at = Clock(), given_at + deadline_ms / 1e3
        last = self._last_good(options)
        reading_ms = self.costs.expect_ms(*_READ)
        if last is not None and reading_ms is not None and reading_ms > deadline_ms:
            self.costs.pass_over(*_READ)
            why = f"reading the images: {reading_ms:.0f} ms expected"
            return _aged(last, deadline_ms, given_at, (why,), clock)
        attempt = Attempt(self.costs, self._read(read, clock), network, ends_at)
        best = attempt.best()
        if best is None and last is None:  # there is nothing to lose
            best = attempt.quickest()
        passed_over = tuple(attempt.passed_over)
        if best is not None:
            result, rung = best
            if result.refinement is not None and not result.refinement.done:
                rung = Rung("network", rung.step)  # also where there was time for the images
            took_ms = (time.perf_counter() - given_at) * 1e3
            flown = Flown(rung.name, rung.step, deadline_ms, took_ms, passed_over)
            if result.verdict == "measured" or options.refine == "off":
                with self._lock:
                    self._last = _LastGood(result, options, given_at)
            return _told(result, flown)
        refused = isinstance(attempt.failure, NotRefinedError) and options.refine == "on"
        if attempt.failure is not None and (refused or last is None):
            raise attempt.failure
        if last is None:
            spent_ms = (time.perf_counter() - given_at) * 1e3
            raise DeadlineError(
                f"nothing fits into {deadline_ms:g} ms, and there is no earlier result; "
                f"{_advice(attempt.least_ms(), spent_ms)} ({'; '.join(passed_over)})"
            )
        return _aged(last, deadline_ms, given_at, passed_over, clock)

    def learn(self, read: Read, network: Network) -> None:
        """Run a pair on every rung, however long it takes, and remember what that costs."""
        work = read(Clock())
        attempt = Attempt(self.costs, work, network, NEVER)
        for rung in attempt.rungs():
            attempt.run(rung)

    def _read(self, read: Read, clock: Clock) -> PairWork:
        start = time.perf_counter()
        work = read(clock)
        self.costs.add(*_READ, (time.perf_counter() - start) * 1e3)
        return work

    def _last_good(self, options: InferOptions) -> _LastGood | None:
        """The last good result of a pair of which the same was asked."""
        with self._lock:
            last = self._last
        return None if last is None or last.options != options else last


def check_deadline(deadline_ms: float, costs: Costs) -> None:
    """Refuse a deadline that is none, or that nobody can plan for.

    Raises:
        UsageError: The line says what to do.
    """
    if not (math.isfinite(deadline_ms) and deadline_ms > 0):
        raise UsageError(
            f"`deadline_ms` {deadline_ms:g}: needs to be a positive number of milliseconds"
        )
    if not costs.known:
        raise UsageError(
            "`deadline_ms` needs to know what pairs cost on this machine; call learn_costs once, "
            "after loading"
        )


def _aged(
    last: _LastGood,
    deadline_ms: float,
    given_at: float,
    passed_over: tuple[str, ...],
    clock: Clock,
) -> StereoResult:
    now = time.perf_counter()
    age_s = now - last.given_at
    took_ms = (now - given_at) * 1e3
    reason = f"it is an earlier pair's result, {age_s:.1f} s old"
    result = replace(
        last.result,
        verdict="guessed",
        verdict_reasons=(reason, *last.result.verdict_reasons),
        timings_ms=clock.timings_ms,
    )
    return _told(result, Flown("last good", 1, deadline_ms, took_ms, passed_over, age_s))


def _told(result: StereoResult, flown: Flown) -> StereoResult:
    """The result with its rung, and with a warning where it is late."""
    warnings = result.warnings
    if not flown.met:
        late_ms = flown.took_ms - flown.deadline_ms
        warnings += (f"deadline: {late_ms:.0f} ms late; {flown.deadline_ms:g} ms were given",)
    return replace(result, flown=flown, warnings=warnings)


def _advice(least_ms: float | None, spent_ms: float) -> str:
    """What to do where nothing fits, and there is nothing to lose by trying."""
    if least_ms is None or not math.isfinite(least_ms):
        return "give a longer `deadline_ms`, or smaller images"
    return (
        f"give a `deadline_ms` of {least_ms + spent_ms:.0f} or more, which the quickest answer "
        "is expected to take, or smaller images"
    )
