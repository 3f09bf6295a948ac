"""What a campaign of interruptions keeps."""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine

#: `kill`: SIGKILL; `term`: SIGTERM; `stop`: SIGSTOP of the process that a watched network runs in;
#: `disk`: a file system that is full after so many bytes; `address`, `data`: limits of memory.
Kind = Literal["kill", "term", "stop", "disk", "address", "data"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: What is on the disk: the old output or none, the new one, or neither of them.
State = Literal["old", "new", "half"]


class Trial(Identified, frozen=True, kw_only=True):
    """One command that was interrupted once.

    Attributes:
        task: Which.
        kind: Of the interruption.
        at: Seconds, bytes of the disk, or MiB of memory.
        writing: Whether seconds count from the first file of the output, and not from the start.
        exit: Its code; a negative one is a signal's number.
        lines: On stderr.
        said: Their last.
        state: What is on the disk afterwards.
        left: Hidden files and folders beside it.
        next_exit: Of the same command, run again without an interruption; None where there was
            nothing to find, so that it was not.
        next_left: Hidden files and folders after that.
        next_told: Whether it said that it found something.
        faults: What must not be, in words; empty where all is well.
    """

    task: str
    kind: Kind
    at: float
    writing: bool
    exit: int
    lines: int
    said: str
    state: State
    left: int
    next_exit: int | None
    next_left: int
    next_told: bool
    faults: list[str]


class Head(Record, frozen=True, kw_only=True):
    """What the records of a journal rest on.

    Attributes:
        seed: Of the moments.
    """

    seed: int


class InterruptionsResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the interruptions.

    Attributes:
        bundle_digest: Of the packaged bundle, which the tasks run.
        seed: Of the moments.
        points: Of each kind; the tasks take turns.
        counts: Kind -> task -> exit code, with the state after it -> trials.
        swept: Trials that left something, all of which the next start removed and said.
        faults: Every trial with one.
        trials: All of them.
        machine: Where.
    """

    bundle_digest: str
    seed: int
    points: int
    counts: dict[str, dict[str, dict[str, int]]]
    swept: int
    faults: list[Trial]
    trials: list[Trial]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether nothing was ever half, silent or a crash."""
        return not self.faults
