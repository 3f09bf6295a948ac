"""How long a pair takes, beside the precision that is replaced."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass

from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle

from lunar_export.judging.run_graph import BACKENDS
from lunar_export.pairs.evaluation import EvaluationPair

FEWEST_ROUNDS, MOST_ROUNDS = 9, 41
SECONDS = 20.0


@dataclass(frozen=True)
class Latency:
    """A comparison of two bundles.

    Attributes:
        ratio: Of the medians, measured in turn; below 1 is faster.
        where: Library, device and threads, in words.
    """

    ratio: float
    where: str


def compare_latency(
    fp32: Bundle, other: Bundle, pair: EvaluationPair, threads: int | None = None
) -> Latency:
    """Time two bundles in turn, so that whatever else the machine does slows both.

    Args:
        fp32: What is replaced.
        other: What replaces it.
        pair: What they are run on.
        threads: Of the processor; None is one per core.

    Returns:
        The median of the ratios of neighbouring runs, after one run each to warm up.
    """
    backends = [
        select_backend(bundle, BACKENDS[bundle.manifest.target], "cpu", threads)
        for bundle in (fp32, other)
    ]
    ratios: list[float] = []
    try:
        begin = time.perf_counter()
        while len(ratios) <= FEWEST_ROUNDS or (
            len(ratios) <= MOST_ROUNDS and time.perf_counter() - begin < SECONDS
        ):
            times = []
            for backend in backends:
                start = time.perf_counter()
                backend.run(pair.left[None, None], pair.right[None, None])
                times.append(time.perf_counter() - start)
            ratios.append(times[1] / times[0])
        name = backends[1].name
    finally:
        for backend in backends:
            backend.close()
    used = f"{os.cpu_count()} cores" if threads is None else f"{threads} threads"
    return Latency(
        statistics.median(ratios[1:]), f"{name} on cpu, {used}, {len(ratios) - 1} runs in turn"
    )
