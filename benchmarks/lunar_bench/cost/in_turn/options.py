"""What a run is to measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lunar_runtime.inference.options import Refine


@dataclass(frozen=True)
class MeasureOptions:
    """What to measure; see `lunar-bench run --help`.

    Attributes:
        peak_s: Time for each of the machine's peaks.
        profiled_runs: Of each bundle under the profiler, at most.
    """

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
    peak_s: float = 1.0
    profiled_runs: int = 6
