"""The result of `lunar-bench run`: one JSON file against one published schema.

`run.schema.json` beside this file is `msgspec.json.schema(RunRecord)`; a test keeps the two equal.
What was not measured is null or not there. Nothing stands for it, zero least of all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
from lunar_runtime.errors import InputError

from lunar_bench.cost.footprint import Start
from lunar_bench.record.statistics import Timing
from lunar_bench.sensors.device_memory import DeviceMemory
from lunar_bench.sensors.machine import Machine
from lunar_bench.sensors.noise import Noise
from lunar_bench.sensors.telemetry import Telemetry

SCHEMA_PATH = Path(__file__).with_name("run.schema.json")

#: Stages in their order. `geometry` is all that follows the network up to the result in memory;
#: `refinement` is the part of it that the images' refinement takes. `total` has its own clock.
STAGES = ("decode", "preprocess", "inference", "geometry", "refinement", "write", "total")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of everything below."""


class BundleIdentity(Record, frozen=True, kw_only=True):
    """Which bundle a candidate is.

    Attributes:
        name: Of its folder; no other part of the path.
        digest: SHA-256 of its manifest.
        student: Family id.
        parameters: Of the whole network.
        checkpoint_sha256: Of its weights' file; None = random weights.
        precision: Of its arithmetic.
        target: What its graph was laid out for.
        output_set: What it computes.
        size: Rows and columns.
        model_bytes: Of its files.
        gate: Whether it passed its export's accuracy gate.
    """

    name: str
    digest: str
    student: str
    parameters: int
    checkpoint_sha256: str | None
    precision: str
    target: str
    output_set: str
    size: tuple[int, int]
    model_bytes: int
    gate: str


class Warmup(Record, frozen=True, kw_only=True):
    """Runs that do not count.

    Attributes:
        runs: How many.
        settled: Whether two neighbouring windows of three agreed to 5 % in the end; False = the
            time for it was up.
    """

    runs: int
    settled: bool


class Energy(Record, frozen=True, kw_only=True):
    """What a pair costs.

    Attributes:
        joules_per_pair: Whole draw during its runs, per run.
        mean_w: The draw.
        above_idle_joules: Less what the idle machine draws in the same time.
        idle_w: Before the run.
    """

    joules_per_pair: float
    mean_w: float
    above_idle_joules: float
    idle_w: float


class Deadline(Record, frozen=True, kw_only=True):
    """Runs against `--deadline-ms`.

    Attributes:
        deadline_ms: Allowed.
        runs: All.
        misses: Those that took longer.
        longest_streak: Misses in a row, the worst.
        worst_ms: The longest run.
    """

    deadline_ms: float
    runs: int
    misses: int
    longest_streak: int
    worst_ms: float


class Sustained(Record, frozen=True, kw_only=True):
    """How a candidate fared over a long run.

    Attributes:
        minutes: From the first to the last round.
        drift: Median time of the last tenth over that of the first.
        slope_percent_per_hour: Of the time, robust; with its 95 % interval below.
        slope_interval: Two bounds, or None.
    """

    minutes: float
    drift: float
    slope_percent_per_hour: float
    slope_interval: tuple[float, float] | None


class Leak(Record, frozen=True, kw_only=True):
    """Resident memory of the measuring process over the run.

    Attributes:
        mib_per_hour: Robust slope, the first tenth of the run left out.
        interval: Its 95 % interval, or None.
        first_mib: At the first round.
        last_mib: At the last.
        series: (seconds, MiB), thinned to 300 points.
    """

    mib_per_hour: float
    interval: tuple[float, float] | None
    first_mib: float
    last_mib: float
    series: list[tuple[float, float]]


class PartCost(Record, frozen=True, kw_only=True):
    """One part of a network's graph.

    Attributes:
        gflop: Multiplications and additions of its matrix products and convolutions, 1e9.
        weight_mb: Its constants, 1e6 bytes.
        activation_mb: What its operators read and write if none is fused, 1e6 bytes.
        time_ms: Measured, all its operators; None where the library does not tell.
        bound_ms: The longer of its arithmetic at the measured GEMM peak and its weights at the
            measured copy peak: no program can be faster on this machine. None without peaks.
        gflop_per_s: Achieved; None without a time.
        of_peak: bound_ms / time_ms.
    """

    gflop: float
    weight_mb: float
    activation_mb: float
    time_ms: float | None = None
    bound_ms: float | None = None
    gflop_per_s: float | None = None
    of_peak: float | None = None


class Peaks(Record, frozen=True, kw_only=True):
    """What this machine reaches at best.

    Attributes:
        gemm_gflop_per_s: Precision -> a large square matrix product in the same library.
        copy_gb_per_s: A large copy, bytes read and written.
        threads: Used for both.
        how: With what they were measured.
    """

    gemm_gflop_per_s: dict[str, float]
    copy_gb_per_s: float
    threads: int
    how: str


class Candidate(Record, frozen=True, kw_only=True):
    """One of the things that ran in turn.

    Attributes:
        name: In tables; unique in the file.
        kind: `bundle`, or which baseline.
        bundle: The bundle, also of a baseline that was made for it.
        backend: Library and its version.
        device: What it ran on.
        stages: Stage -> times; a baseline has the stages up to inference.
        pairs_per_s: Of whole pairs; None for a baseline.
        warmup: Before it counted.
        load_s: Loading it, this process's libraries loaded already.
        start: In a process of its own; None = not measured.
        device_memory: None on a CPU.
        energy: None where the machine measures no power.
        deadline: None unless asked for.
        sustained: None unless asked for.
        parts: Part -> cost, with `total`; empty where the graph was not analysed.
        failed: Pairs that it could not process, with the reason.
    """

    name: str
    kind: str
    bundle: BundleIdentity | None
    backend: str
    device: str
    stages: dict[str, Timing]
    pairs_per_s: float | None
    warmup: Warmup
    load_s: float
    start: Start | None
    device_memory: DeviceMemory | None
    energy: Energy | None
    deadline: Deadline | None
    sustained: Sustained | None
    parts: dict[str, PartCost]
    failed: dict[str, str]


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
    candidates: list[Candidate]
    comparisons: list[Comparison]
    leak: Leak | None
    unreadable: dict[str, str]
    accuracy: list[AccuracyPoint]
    notes: list[str]


def schema() -> dict[str, Any]:
    """The JSON schema (2020-12) of a run."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A run of lunar-bench",
        **msgspec.json.schema(RunRecord),
    }


def encode_schema() -> bytes:
    """The schema as it is published."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def encode_run(record: RunRecord) -> bytes:
    """JSON, indented; series of numbers stay on one line each."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def read_run(path: Path) -> RunRecord:
    """Read a run; a folder stands for the `result.json` in it.

    Raises:
        InputError: It is none.
    """
    file = path / "result.json" if path.is_dir() else path
    try:
        return msgspec.json.decode(file.read_bytes(), type=RunRecord)
    except OSError as error:
        raise InputError(f"{file}: cannot be read ({error.strerror}); check the path") from error
    except msgspec.DecodeError as error:
        raise InputError(f"{file}: not a result of lunar-bench run ({error})") from error
