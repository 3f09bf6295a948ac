"""What a campaign keeps: every situation with its outcome, and the counts."""

from __future__ import annotations

import msgspec

from lunar_bench.honesty.judge import OUTCOMES, Figures, Outcome
from lunar_bench.record.base import Record
from lunar_bench.record.journal import Identified
from lunar_bench.record.machine import Machine

#: What must hold of a campaign.
MOST_WRONG = 0.01  # of the damaged situations, measured & wrong
MOST_LOST = 0.02  # of the clean ones, not measured & right


class JournalHead(Record, frozen=True):
    """What the records of a journal rest on.

    Attributes:
        data: What pairs.
        seed: Of the situations.
        bundle_digest: SHA-256 of the network's manifest.
        commit: Of the code.
    """

    data: str
    seed: int
    bundle_digest: str
    commit: str


class SituationRecord(Identified, frozen=True):
    """One situation and its outcome.

    Attributes:
        id: `17`, of a damaged situation, or `c17`, of a clean one: what `--only` takes.
        kind: Of `KINDS`; `clean`.
        pair: That it was made of.
        given: What was told, a name of `GIVINGS`.
        parameters: What was done.
        outcome: See `OUTCOMES`.
        faults: Why it is wrong; empty otherwise.
        reasons: Why it is guessed, or the error of what is refused.
        warnings: What else the result said.
        unit: `m` or `relative`; None = refused.
        figures: Against the truth; None = refused, or no truth.
        seconds: Of the run.
    """

    kind: str
    pair: str
    given: str
    parameters: dict[str, float | str]
    outcome: Outcome
    faults: list[str]
    reasons: list[str]
    warnings: list[str]
    unit: str | None
    figures: Figures | None
    seconds: float


class HonestyResult(msgspec.Struct, frozen=True):
    """A campaign.

    Attributes:
        data: What pairs.
        seed: Of the situations.
        bundle_digest: SHA-256 of the network's manifest.
        wrong_share: Of the damaged situations, those measured & wrong.
        lost_share: Of the clean ones, those not measured & right.
        counts: Kind, or `clean`, or `damaged` for all kinds -> outcome -> situations.
        clean: Each one.
        damaged: Each one.
        machine: Where.
    """

    data: str
    seed: int
    bundle_digest: str
    wrong_share: float
    lost_share: float
    counts: dict[str, dict[str, int]]
    clean: list[SituationRecord]
    damaged: list[SituationRecord]
    machine: Machine

    @property
    def holds(self) -> bool:
        """Whether what must hold does, and nothing crashed."""
        crashed = any(count["crashed"] for count in self.counts.values())
        return self.wrong_share <= MOST_WRONG and self.lost_share <= MOST_LOST and not crashed


def summarise(
    data: str,
    seed: int,
    bundle_digest: str,
    clean: list[SituationRecord],
    damaged: list[SituationRecord],
    machine: Machine,
) -> HonestyResult:
    """Count the outcomes."""
    counts = {"clean": _count(clean), "damaged": _count(damaged)}
    for kind in dict.fromkeys(sorted(record.kind for record in damaged)):
        counts[kind] = _count([record for record in damaged if record.kind == kind])
    wrong = counts["damaged"]["measured & wrong"]
    lost = len(clean) - counts["clean"]["measured & right"]
    return HonestyResult(
        data,
        seed,
        bundle_digest,
        wrong / max(1, len(damaged)),
        lost / max(1, len(clean)),
        counts,
        clean,
        damaged,
        machine,
    )


def _count(records: list[SituationRecord]) -> dict[str, int]:
    found = [record.outcome for record in records]
    return {outcome: found.count(outcome) for outcome in OUTCOMES}
