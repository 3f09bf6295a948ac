"""Which candidates of a run are put beside each other, and their ratios."""

from __future__ import annotations

from lunar_bench.cost.in_turn.entries import Entry
from lunar_bench.record.run import Comparison
from lunar_bench.timing.statistics import ratio

_ITS_OWN_GRAPH = "onnxruntime"  # the baseline that runs it


def compare_entries(entries: list[Entry]) -> list[Comparison]:
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
    if baseline.kind == _ITS_OWN_GRAPH:
        return baseline.bundle is bundle.bundle
    a, b = baseline.bundle.manifest, bundle.bundle.manifest
    return (a.student.config, a.graph.height, a.graph.width) == (
        b.student.config,
        b.graph.height,
        b.graph.width,
    )


def _compare(entry: Entry, reference: Entry, stage: str) -> Comparison | None:
    both = entry.rows.common(reference.rows, stage)
    if both is None:
        return None
    found = ratio(*both)
    interval = (
        None
        if found.low is None or found.high is None
        else (round(found.low, 4), round(found.high, 4))
    )
    return Comparison(
        candidate=entry.name,
        reference=reference.name,
        stage=stage,
        ratio=round(found.value, 4),
        interval=interval,
        rounds=len(both[0]),
    )
