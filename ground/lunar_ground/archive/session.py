"""What a worker does: one session for all its pairs, a result written for each.

A session is an order's job with its network loaded. It lives as long as the worker's process, or
until another order comes.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lunar_runtime.commands.orders import Order
from lunar_runtime.commands.pairs import OF_THE_PAIR, Job
from lunar_runtime.errors import BackendError, LunarError, OutputError
from lunar_runtime.files.pair_lists import PairFiles
from lunar_runtime.report.report import encode_report


@dataclass(frozen=True)
class Work:
    """An order, and how a worker knows that it is at the right place.

    Attributes:
        order: What is asked of every pair.
        marker: A file in the folder of all results, as long as the work lasts.
    """

    order: Order
    marker: Path


@dataclass(frozen=True)
class Answer:
    """How a pair ended.

    Attributes:
        report: As JSON; None where it failed.
        before: Whether the result was there before.
        error: Why it failed.
        again: Whether another try may end better: the disk was full, say, or the memory.
        ends: Whether no other pair can end better on this worker.
    """

    report: bytes | None = None
    before: bool = False
    error: LunarError | None = None
    again: bool = False
    ends: bool = False


_lock = threading.Lock()
_session: tuple[Path, Job, ExitStack] | None = None


def work_on(work: Work, pair: PairFiles) -> Answer:
    """Infer a pair in this process and write its result."""
    try:
        job = _job(work)
    except LunarError as error:
        return Answer(error=error, ends=True)
    try:
        done = job.run(pair)
    except OutputError as error:
        return Answer(error=error, again=True)
    except OF_THE_PAIR as error:
        return Answer(error=error)
    except LunarError as error:  # the library or the device failed
        return Answer(error=error, ends=True)
    except MemoryError:
        return Answer(error=OutputError("out of memory; give each worker more"), again=True)
    return Answer(encode_report(done.report), before=done.before)


def _job(work: Work) -> Job:
    global _session
    with _lock:
        if _session is None or _session[0] != work.marker:
            if not work.marker.is_file():
                raise BackendError(
                    f"{work.marker.parent}: is not the folder of all results here; workers must "
                    "see it, and the images, under the same paths"
                )
            if _session is not None:
                _session[2].close()
                _session = None
            stack = ExitStack()
            _session = work.marker, stack.enter_context(work.order.opened()), stack
        return _session[1]
