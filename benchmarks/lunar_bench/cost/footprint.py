"""What a whole `lunar-infer` run costs: time from the shell and peak memory."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from lunar_bench.cost.fresh_process import run_afresh
from lunar_bench.record.machine import Machine
from lunar_bench.sensors.machine import describe_machine


class Footprint(msgspec.Struct, frozen=True):
    """One command, run afresh several times.

    Attributes:
        command: What was run, `lunar-infer …`.
        seconds: Median wall-clock time from start to exit.
        peak_rss_mib: Largest peak of resident memory.
        runs: How often.
        machine: Where.
    """

    command: str
    seconds: float
    peak_rss_mib: float
    runs: int
    machine: Machine


def measure_footprint(arguments: list[str], runs: int) -> Footprint:
    """Run `lunar-infer` in its own process; its outputs go to a temporary folder.

    Args:
        arguments: As for `lunar-infer`, without `--out`.
        runs: How often.

    Raises:
        InputError: The command failed; its message is in the error.
    """
    machine = describe_machine()
    measured = [run_afresh(arguments) for _ in range(runs)]
    return Footprint(
        command=" ".join(["lunar-infer", *(Path(a).name or a for a in arguments)]),
        seconds=round(float(np.median([run.seconds for run in measured])), 3),
        peak_rss_mib=round(max(run.peak_rss_mib for run in measured), 1),
        runs=runs,
        machine=machine,
    )
