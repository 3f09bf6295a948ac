"""The candidates of a run, and what its record says of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lunar_runtime import Bundle
from lunar_runtime.files.printable import printable

from lunar_bench.cost.in_turn.candidates import Candidate
from lunar_bench.cost.in_turn.options import MeasureOptions
from lunar_bench.cost.in_turn.rows import Rows
from lunar_bench.record.arithmetic import PartCost
from lunar_bench.record.bundle import BundleIdentity
from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.memory import DeviceMemory, FreshStart
from lunar_bench.record.times import Warmup
from lunar_bench.sensors.sampler import Sampler


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
    start: FreshStart | None = None
    device_memory: DeviceMemory | None = None
    warmup_ms: list[float] = field(default_factory=list)
    settled: bool = False
    rows: Rows = field(default_factory=Rows)
    failed: dict[str, str] = field(default_factory=dict)
    parts: dict[str, PartCost] = field(default_factory=dict)


def name_bundles(bundles: list[Bundle]) -> list[tuple[str, Bundle]]:
    """Names of folders, numbered where two are the same."""
    names: list[tuple[str, Bundle]] = []
    for bundle in bundles:
        name = wanted = printable(bundle.path.resolve().name)
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
    entry: Entry, options: MeasureOptions, sampler: Sampler, idle: tuple[float, float]
) -> CandidateRecord:
    """What the result says of a candidate.

    Args:
        entry: The candidate.
        options: What was asked for.
        sampler: That watched the run.
        idle: (begin, end) of a moment in which nothing ran.
    """
    stages = entry.rows.stages()
    total = stages.get("total")
    return CandidateRecord(
        name=entry.name,
        kind=entry.kind,
        bundle=_identify(entry.bundle),
        backend=entry.backend,
        device=entry.device,
        stages=stages,
        pairs_per_s=entry.rows.pairs_per_s() if total else None,
        warmup=Warmup(runs=len(entry.warmup_ms), settled=entry.settled),
        load_s=entry.load_s,
        start=entry.start,
        device_memory=entry.device_memory,
        energy=entry.rows.energy(sampler, idle),
        deadline=None if options.deadline_ms is None else entry.rows.deadline(options.deadline_ms),
        sustained=None if options.sustained_min is None else entry.rows.sustained(),
        parts=entry.parts,
        failed=entry.failed,
    )


def _identify(bundle: Bundle) -> BundleIdentity:
    """What a result says of a bundle."""
    manifest = bundle.manifest
    return BundleIdentity(
        name=printable(bundle.path.resolve().name),
        digest=bundle.digest,
        student=manifest.student.id,
        parameters=manifest.student.parameters,
        checkpoint_sha256=manifest.student.checkpoint_sha256,
        precision=manifest.precision,
        target=manifest.target,
        output_set=manifest.graph.output_set,
        size=(manifest.graph.height, manifest.graph.width),
        model_bytes=sum(record.bytes for record in manifest.files.values()),
        gate=manifest.gate,
    )
