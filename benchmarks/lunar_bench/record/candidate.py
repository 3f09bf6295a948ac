"""What a run says of one of the things that ran in turn."""

from __future__ import annotations

from lunar_bench.record.arithmetic import PartCost
from lunar_bench.record.base import Record
from lunar_bench.record.bundle import BundleIdentity
from lunar_bench.record.memory import DeviceMemory, FreshStart
from lunar_bench.record.times import Deadline, Sustained, Timing, Warmup


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


class CandidateRecord(Record, frozen=True, kw_only=True):
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
    start: FreshStart | None
    device_memory: DeviceMemory | None
    energy: Energy | None
    deadline: Deadline | None
    sustained: Sustained | None
    parts: dict[str, PartCost]
    failed: dict[str, str]
