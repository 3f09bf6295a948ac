"""How far a network's parts are from what the machine could do.

A part takes at least its arithmetic at the peak rate of a matrix product, and at least the time
that its weights take through the memory. The longer of the two is its bound. Both peaks are
measured here, on this machine, with the library that runs the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lunar_runtime import Bundle

from lunar_bench.cost.arithmetic.graph import Graph, read_graph
from lunar_bench.cost.arithmetic.part_times import measure_part_times
from lunar_bench.record.arithmetic import PartCost, Peaks


def analyse(
    bundle: Bundle,
    backend: str,
    device: str,
    threads: int | None,
    peaks: Peaks | None,
    inference_ms: float | None,
    profiled_runs: int = 6,
) -> dict[str, PartCost]:
    """Cost, time and bound of every part of a bundle.

    Args:
        bundle: Whose graph.
        backend: That ran it; only ONNX Runtime tells times of nodes.
        device: It ran on.
        threads: CPU threads.
        peaks: Of the machine; None = no bounds.
        inference_ms: Measured time of the whole network: the `total` row's time.
        profiled_runs: At most so many runs under the profiler.
    """
    graph = read_graph(bundle.model_path)
    shares: dict[str, float] = {}
    if backend.startswith("onnxruntime"):
        measured = measure_part_times(bundle, device, threads, graph.part_of, profiled_runs)
        # The profiler slows what it watches: its times are taken as shares of the true one.
        total = measured.pop("total", 0.0)
        shares = {part: ms / total for part, ms in measured.items()} if total else {}
    gemm = None if peaks is None else peaks.gemm_gflop_per_s.get(bundle.manifest.precision)
    copy = None if peaks is None else peaks.copy_gb_per_s
    return part_costs(graph, shares, inference_ms, gemm, copy)


def part_costs(
    graph: Graph,
    shares: Mapping[str, float] = MappingProxyType({}),
    inference_ms: float | None = None,
    gemm: float | None = None,
    copy: float | None = None,
) -> dict[str, PartCost]:
    """Cost of every part and, as `total`, of all of them; times and bounds where they are known.

    Args:
        graph: Analysed.
        shares: Part -> its share of the time.
        inference_ms: Time of the whole network.
        gemm: Peak of a matrix product, GFLOP/s.
        copy: Peak of a copy, GB/s.
    """
    parts = {}
    for part, cost in graph.costs.items():
        ms = None if inference_ms is None or part not in shares else shares[part] * inference_ms
        parts[part] = _part(cost.flops, cost.weight_bytes, cost.activation_bytes, ms, gemm, copy)
    sums = [sum(cost[i] for cost in graph.costs.values()) for i in range(3)]
    parts["total"] = _part(sums[0], sums[1], sums[2], inference_ms, gemm, copy)
    return parts


def _part(
    flops: float,
    weights: float,
    activations: float,
    ms: float | None,
    gemm: float | None,
    copy: float | None,
) -> PartCost:
    bound = None if gemm is None or copy is None else max(flops / gemm, weights / copy) / 1e6
    return PartCost(
        gflop=round(flops / 1e9, 3),
        weight_mb=round(weights / 1e6, 3),
        activation_mb=round(activations / 1e6, 3),
        time_ms=None if ms is None else round(ms, 3),
        bound_ms=None if bound is None else round(bound, 3),
        gflop_per_s=None if not ms or not flops else round(flops / ms / 1e6, 2),
        of_peak=None if not bound or not ms else round(bound / ms, 4),
    )
