"""The result of `lunar-bench run`.

What was not measured is null or not there. Nothing stands for it, zero least of all.
"""

from __future__ import annotations

from typing import Literal

from lunar_bench.record.arithmetic import Peaks
from lunar_bench.record.base import Record
from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.machine import Machine
from lunar_bench.record.memory import Leak
from lunar_bench.record.noise import Noise
from lunar_bench.record.telemetry import Telemetry

#: Stages in their order. `geometry` is all that follows the network up to the result in memory;
#: `refinement` is the part of it that the images' refinement takes. `total` has its own clock.
STAGES = ("decode", "preprocess", "inference", "geometry", "refinement", "write", "total")


class Comparison(Record, frozen=True, kw_only=True):
    """Two candidates, round by round.

    Attributes:
        candidate: Whose time is divided.
        reference: By whose.
        stage: Of what.
        ratio: Median over the rounds.
        interval: 95 %, by a block bootstrap over the rounds; None for fewer than 5.
        rounds: That measured both.
    """

    candidate: str
    reference: str
    stage: str
    ratio: float
    interval: tuple[float, float] | None
    rounds: int


class AccuracyPoint(Record, frozen=True, kw_only=True):
    """What `lunar-bench accuracy` found for one of the bundles.

    Attributes:
        bundle_digest: Which.
        data: On what pairs.
        medians: Figure -> median over the pairs.
    """

    bundle_digest: str
    data: str
    medians: dict[str, float]


class Settings(Record, frozen=True, kw_only=True):
    """What was asked for.

    Attributes:
        pairs: What images, in words.
        pair_count: Readable pairs; they take turns.
        refine: As lunar-infer's.
        network_only: No geometry, nothing written.
        backend: Asked for.
        device: Asked for.
        threads: CPU threads of each candidate; None = the library's choice.
        iterations: Rounds asked for; None = by duration.
        duration_s: Time asked for; None = by iterations.
        sustained_min: None = no sustained run.
        deadline_ms: None = no deadline.
        weights: Of the eager baselines.
    """

    pairs: str
    pair_count: int
    refine: str
    network_only: bool
    backend: str
    device: str
    threads: int | None
    iterations: int | None
    duration_s: float | None
    sustained_min: float | None
    deadline_ms: float | None
    weights: str


class RunRecord(Record, frozen=True, kw_only=True):
    """A whole run.

    Attributes:
        format_version: Of this schema.
        status: `partial` = it was interrupted; what is here was measured nevertheless.
        settings: What was asked for.
        machine: Where.
        noise: What disturbed it.
        telemetry: Clocks, temperatures, power, throttling.
        peaks: None = not measured; `notes` says why.
        candidates: What ran.
        comparisons: Of each two that share a stage.
        leak: Of the measuring process; None below 20 rounds.
        unreadable: Pair -> why it was left out.
        accuracy: Given with `--accuracy`, of bundles in this run.
        notes: What a reader should know.
    """

    format_version: Literal[1] = 1
    status: Literal["complete", "partial"]
    settings: Settings
    machine: Machine
    noise: Noise
    telemetry: Telemetry
    peaks: Peaks | None
    candidates: list[CandidateRecord]
    comparisons: list[Comparison]
    leak: Leak | None
    unreadable: dict[str, str]
    accuracy: list[AccuracyPoint]
    notes: list[str]
