"""The candidates of a run, and what its record says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lunar_runtime import Bundle
from lunar_runtime.inference.options import Refine

from lunar_bench.cost.candidates import Candidate, identify
from lunar_bench.cost.footprint import Start
from lunar_bench.cost.rows import Rows
from lunar_bench.record import run_record as records
from lunar_bench.record.statistics import ratio
from lunar_bench.sensors.device_memory import DeviceMemory
from lunar_bench.sensors.telemetry import Sampler

_LIBRARIES = ("onnxruntime", "openvino")


@dataclass(frozen=True)
class RunOptions:
    """What to measure; see `lunar-bench run --help`."""

    backend: str = "auto"
    device: str = "auto"
    threads: int | None = None
    pairs: Path | None = None
    refine: Refine = "auto"
    network_only: bool = False
    baselines: tuple[str, ...] = ()
    checkpoint: Path | None = None
    iterations: int | None = None
    duration_s: float = 30.0
    sustained_min: float | None = None
    deadline_ms: float | None = None
    warmup_s: float = 30.0
    starts: int = 1
    roofline: bool = True


@dataclass
class Entry:
    """A candidate and everything that is found out about it."""

    name: str
    kind: str
    bundle: Bundle
    candidate: Candidate | None = None
    backend: str = ""
    device: str = ""
    load_s: float = 0.0
    start: Start | None = None
    device_memory: DeviceMemory | None = None
    warmup_ms: list[float] = field(default_factory=list)
    settled: bool = False
    rows: Rows = field(default_factory=Rows)
    failed: dict[str, str] = field(default_factory=dict)
    parts: dict[str, records.PartCost] = field(default_factory=dict)


def name_bundles(bundles: list[Bundle]) -> list[tuple[str, Bundle]]:
    """Names of folders, numbered where two are the same."""
    names: list[tuple[str, Bundle]] = []
    for bundle in bundles:
        name = wanted = bundle.path.resolve().name
        number = 1
        while any(name == other for other, _ in names):
            number += 1
            name = f"{wanted} ({number})"
        names.append((name, bundle))
    return names


def baseline_entries(kind: str, bundles: list[Entry]) -> list[Entry]:
    """One for every network that differs in what the baseline computes."""
    entries: dict[str, Entry] = {}
    for entry in bundles:
        manifest = entry.bundle.manifest
        size = f"{manifest.graph.height}x{manifest.graph.width}"
        name = {
            "eager": f"eager {manifest.student.id} {size}",
            "eager-same": f"eager-same {manifest.student.id} {manifest.graph.output_set} {size}",
            "teacher": f"eager teacher {size}",
        }.get(kind, f"{kind} {entry.name}")
        entries.setdefault(name, Entry(name, kind, entry.bundle))
    return list(entries.values())


def candidate_record(
    entry: Entry, options: RunOptions, sampler: Sampler, idle: tuple[float, float]
) -> records.Candidate:
    """What the result says of a candidate.

    Args:
        entry: The candidate.
        options: What was asked for.
        sampler: That watched the run.
        idle: (begin, end) of a moment in which nothing ran.
    """
    stages = entry.rows.stages()
    total = stages.get("total")
    return records.Candidate(
        name=entry.name,
        kind=entry.kind,
        bundle=identify(entry.bundle),
        backend=entry.backend,
        device=entry.device,
        stages=stages,
        pairs_per_s=entry.rows.pairs_per_s() if total else None,
        warmup=records.Warmup(runs=len(entry.warmup_ms), settled=entry.settled),
        load_s=entry.load_s,
        start=entry.start,
        device_memory=entry.device_memory,
        energy=entry.rows.energy(sampler, idle),
        deadline=None if options.deadline_ms is None else entry.rows.deadline(options.deadline_ms),
        sustained=None if options.sustained_min is None else entry.rows.sustained(),
        parts=entry.parts,
        failed=entry.failed,
    )


def compare_entries(entries: list[Entry]) -> list[records.Comparison]:
    """Every bundle beside the first one, and beside the baselines that are its own."""
    bundles = [entry for entry in entries if entry.kind == "bundle"]
    baselines = [entry for entry in entries if entry.kind != "bundle"]
    pairs = [(bundle, bundles[0]) for bundle in bundles[1:]]
    pairs += [(b, baseline) for baseline in baselines for b in bundles if _is_for(baseline, b)]
    return [
        comparison
        for entry, reference in pairs
        for stage in ("inference", "total")
        if (comparison := _compare(entry, reference, stage)) is not None
    ]


def _is_for(baseline: Entry, bundle: Entry) -> bool:
    """The teacher is a yardstick for all; others for the network, or the graph, that they run."""
    if baseline.kind == "teacher":
        return True
    if baseline.kind in _LIBRARIES:
        return baseline.bundle is bundle.bundle
    a, b = baseline.bundle.manifest, bundle.bundle.manifest
    return (a.student.config, a.graph.height, a.graph.width) == (
        b.student.config,
        b.graph.height,
        b.graph.width,
    )


def _compare(entry: Entry, reference: Entry, stage: str) -> records.Comparison | None:
    both = entry.rows.common(reference.rows, stage)
    if both is None:
        return None
    found = ratio(*both)
    interval = (
        None
        if found.low is None or found.high is None
        else (round(found.low, 4), round(found.high, 4))
    )
    return records.Comparison(
        candidate=entry.name,
        reference=reference.name,
        stage=stage,
        ratio=round(found.value, 4),
        interval=interval,
        rounds=len(both[0]),
    )
