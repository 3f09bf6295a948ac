"""What a campaign of archives keeps."""

from __future__ import annotations

import msgspec

from lunar_bench.record.base import Record
from lunar_bench.record.machine import Machine


class ArchiveRound(Record, frozen=True):
    """One run of `lunar-infer --scheduler local:N` over all pairs.

    Attributes:
        workers: N.
        seconds: Of the wall's clock, from the command's start to its end.
        cpu_s: Of all its processes.
        killed: Workers that were ended by SIGKILL meanwhile.
        exit: Of the command.
        whole: Results whose files all have their digests.
        failed: Pairs that the command listed as failed.
        largest_mib: Resident memory of the largest process at its end, as the kernel tells it.
    """

    workers: int
    seconds: float
    cpu_s: float
    killed: int
    exit: int
    whole: int
    failed: int
    largest_mib: float


class ArchiveResult(msgspec.Struct, frozen=True, kw_only=True):
    """Rounds that took turns.

    Attributes:
        bundle_digest: SHA-256 of the network's manifest.
        pairs: In the list.
        distinct: Of them, rendered; the list repeats them.
        size_px: Side of their images.
        refine: As of `lunar-infer`; `auto` in records that do not say it.
        rounds: In their order.
        speedup: Of each round of turns: seconds of the fewest workers over those of the most.
        machine: Where.
    """

    bundle_digest: str
    pairs: int
    distinct: int
    size_px: int
    rounds: list[ArchiveRound]
    speedup: list[float]
    machine: Machine
    refine: str = "auto"

    @property
    def holds(self) -> bool:
        """Whether every pair of every round has a whole result."""
        return all(r.exit == 0 and r.whole == self.pairs and not r.failed for r in self.rounds)
