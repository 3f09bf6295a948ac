"""Who does which pair, and which are tried again.

There are two rounds. In the first every worker has a pair in hand and one more waiting. What a lost
worker had, Dask gives to others, and blames in hand and waiting alike; a pair that is blamed twice
it gives up. So pairs that it gave up, and those whose result could not be written, are tried again
in a second round, in which no pair waits behind another: only what ends a worker is blamed.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import CancelledError
from typing import Any, NamedTuple

import msgspec
from lunar_runtime.commands.pairs import Done, Outcome
from lunar_runtime.errors import BackendError, InputError, LunarError
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.report.records import Report

from lunar_ground.archive.cluster import Cluster
from lunar_ground.archive.session import Answer, Work, work_on

_LOOK_S = 1.0  # how often workers are counted
_NONE = "no workers; start some with `dask worker ADDRESS --nworkers N --nthreads 1`"


class Attempt(NamedTuple):
    """A pair, and how often it was tried before."""

    pair: PairFiles
    tries: int = 0


class Rounds:
    """Pairs on their way through a cluster.

    Args:
        cluster: Whose workers do them.
        work: What they are to do.
        retries: How often a pair is tried again that did not fail by itself.
        patience_s: How long workers are waited for.
    """

    def __init__(self, cluster: Cluster, work: Work, retries: int, patience_s: float) -> None:
        self._cluster, self._work = cluster, work
        self._retries, self._patience_s = retries, patience_s
        self._again: deque[Attempt] = deque()
        self._under_way: dict[Any, Attempt] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._threads, self._counted_at, self._seen_at = 0, float("-inf"), time.monotonic()

    def run(self, todo: deque[Attempt]) -> Iterator[Outcome]:
        """Every pair with its report or error, as they end.

        Raises:
            BackendError: Scheduler or workers are gone and do not come back.
            LunarError: What a worker lacks.
        """
        try:
            yield from self._round(todo, waiting=1)
            while self._again:
                todo, self._again = self._again, deque()
                yield from self._round(todo, waiting=0)
        finally:  # of what ends the work: what is not begun is not begun any more
            if not self._cluster.lost:
                self._cluster.client.cancel(list(self._under_way), force=True)

    def _round(self, todo: deque[Attempt], *, waiting: int) -> Iterator[Outcome]:
        while todo or self._under_way:
            if self._cluster.lost:
                todo.extendleft(self._under_way.values())
                self._under_way.clear()
                self._cluster.reconnect()
                self._counted_at = float("-inf")
            most = self._count() * (1 + waiting)
            while todo and len(self._under_way) < most:
                self._submit(todo.popleft())
            try:
                future = self._ended.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            attempt = self._under_way.pop(future, None)
            if attempt is None:  # of a scheduler that was lost
                continue
            outcome = self._outcome(future, attempt, todo)
            if outcome is not None:
                yield attempt.pair, outcome

    def _count(self) -> int:
        """Pairs that can be in hand at once, as of a second ago."""
        now = time.monotonic()
        if now - self._counted_at >= _LOOK_S or not self._threads:
            self._threads, self._counted_at = self._cluster.threads(), now
        if self._threads:
            self._seen_at = now
        elif now - self._seen_at > self._patience_s:
            raise BackendError(_NONE)
        return self._threads

    def _submit(self, attempt: Attempt) -> None:
        future = self._cluster.client.submit(work_on, self._work, attempt.pair, pure=False)
        self._under_way[future] = attempt
        future.add_done_callback(self._ended.put)

    def _outcome(
        self, future: Any, attempt: Attempt, todo: deque[Attempt]
    ) -> Done | LunarError | None:
        """How a pair ended; None where it is to be tried again."""
        if future.status in ("cancelled", "lost"):
            todo.appendleft(attempt)
            time.sleep(_LOOK_S)  # the connection is told of it later
            return None
        try:
            answer: Answer = future.result()
        except CancelledError:
            todo.appendleft(attempt)
            return None
        except ModuleNotFoundError as error:
            raise BackendError(
                f"a worker has no {error.name}; install lunar-edge[cluster], the same version as "
                "here, for all workers"
            ) from error
        except Exception as error:  # KilledWorker, or a bug on this pair
            answer = Answer(error=InputError(_words(error)), again=True)
        if answer.ends and answer.error is not None:
            raise answer.error
        if answer.error is not None:
            if answer.again and attempt.tries < self._retries:
                self._again.append(Attempt(attempt.pair, attempt.tries + 1))
                return None
            return answer.error
        assert answer.report is not None
        return Done(msgspec.json.decode(answer.report, type=Report), answer.before)


def _words(error: Exception) -> str:
    if type(error).__name__ == "KilledWorker":
        return "ended every worker that tried it; is there enough memory?"
    return f"failed on a worker ({type(error).__name__}: {error})"
