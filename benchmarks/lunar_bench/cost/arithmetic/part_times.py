"""How long each part of a network takes, from ONNX Runtime's own profiler."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lunar_runtime import Bundle

from lunar_bench.cost.arithmetic.graph import part_of_name
from lunar_bench.cost.plain_session import open_plain_session

_FEWEST_RUNS = 2  # the first does not count
_ENOUGH_S = 5.0


def measure_part_times(
    bundle: Bundle,
    device: str,
    threads: int | None,
    part_of: Mapping[str, str],
    most_runs: int = 6,
) -> dict[str, float]:
    """Run a bundle's graph under the profiler, which slows it by some per cent.

    Args:
        bundle: Whose.
        device: `cpu` or `cuda`.
        threads: CPU threads.
        part_of: Node or tensor name -> part, as `read_graph` gives it.
        most_runs: Fewer where they take over five seconds; the first does not count.

    Returns:
        Part -> milliseconds, medians over the runs that count, and `total`, their sum.
    """
    with tempfile.TemporaryDirectory() as folder:
        session = open_plain_session(
            bundle.model_path, device, threads, profile=Path(folder) / "profile"
        )
        graph = bundle.manifest.graph
        image = np.random.default_rng(0).integers(
            0, 256, (1, 1, graph.height, graph.width), dtype=np.uint8
        )
        begin = time.perf_counter()
        for number in range(most_runs):
            if number >= _FEWEST_RUNS and time.perf_counter() - begin > _ENOUGH_S:
                break
            session.run(None, {"left": image, "right": image})
        events = json.loads(Path(session.end_profiling()).read_text())
    return parts_of_profile(events, part_of)


def parts_of_profile(events: list[dict[str, Any]], part_of: Mapping[str, str]) -> dict[str, float]:
    """Add up a profile's node events by part.

    ONNX Runtime renames what it fuses or lays out anew: `x_nchwc` computes tensor x; what has no
    name that tells, a reordering above all, belongs to what ran before it.

    Args:
        events: Of a profile of several runs.
        part_of: Node or tensor name -> part.

    Returns:
        Part -> milliseconds, medians over the runs but the first, and `total`, their sum.
    """
    runs = sorted(
        (e["ts"], e["ts"] + e["dur"])
        for e in events
        if e.get("cat") == "Session" and e["name"] == "model_run"
    )
    nodes = sorted((e for e in events if e.get("cat") == "Node"), key=lambda e: int(e["ts"]))
    sums: list[dict[str, float]] = []
    for begin, end in runs[1:]:
        total: dict[str, float] = defaultdict(float)
        part = "other"
        for event in nodes:
            if begin <= event["ts"] < end and event["name"].endswith("_kernel_time"):
                name = event["name"].removesuffix("_kernel_time")
                known = part_of.get(name) or part_of.get(name.removesuffix("_nchwc"))
                part = known or part_of_name(name) or part
                total[part] += event["dur"] / 1e3
        sums.append(total)
    parts = sorted({part for total in sums for part in total})
    times = {part: float(np.median([total[part] for total in sums])) for part in parts}
    return {**times, "total": sum(times.values())} if times else {}
