"""The result of `lunar-bench gpu-check`."""

from __future__ import annotations

import msgspec

from lunar_bench.record.machine import Machine
from lunar_bench.record.times import Timing


class CandidateTimes(msgspec.Struct, frozen=True):
    """One candidate.

    Attributes:
        timing: Wall clock, images in memory to maps in memory.
        over_eager: Median ratio to `eager fp32` in the same round.
        device_memory_mib: Taken on the device by loading it and running it, weights included.
        mean_relative_error: Of the left pointmap against `eager fp32`. The weights are random,
            which amplifies rounding: a sign that the same thing is computed, no accuracy.
        load_seconds: Loading and first runs, the engine's build included.
    """

    timing: Timing
    over_eager: float
    device_memory_mib: float
    mean_relative_error: float
    load_seconds: float


class Case(msgspec.Struct, frozen=True):
    """One network.

    Attributes:
        student: Family id; random weights.
        outputs: What is computed.
        size: Side of the images, pixels.
        measured: By candidate.
        not_run: Candidate -> why.
    """

    student: str
    outputs: str
    size: int
    measured: dict[str, CandidateTimes]
    not_run: dict[str, str]


class GpuReport(msgspec.Struct, frozen=True):
    """A machine.

    Attributes:
        gpu: Name.
        compute_capability: `8.7`.
        cuda: PyTorch's.
        cases: One per network.
        seconds: The whole check took.
        machine: The rest of it.
    """

    gpu: str
    compute_capability: str
    cuda: str
    cases: list[Case]
    seconds: float
    machine: Machine
