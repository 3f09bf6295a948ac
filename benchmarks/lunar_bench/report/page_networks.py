"""Records of runs, of accuracy and of an ablation, as a page shows networks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from lunar_ground.page.content import Arm, Network
from lunar_runtime.errors import InputError
from lunar_runtime.files.printable import printable

from lunar_bench.accuracy.report import AccuracyReport
from lunar_bench.record.candidate import CandidateRecord
from lunar_bench.record.run import RunRecord
from lunar_bench.record.run_file import read_run

_FIGURES = ("absrel_median", "slope_mae_deg", "hazard_miss_15deg")
_ARM_FIGURES = ("absrel_of_null", "slope_mae_of_null", "relief_correlation")
_MIB_MB = 1.048576


def networks_of(runs: Sequence[Path], accuracies: Sequence[Path]) -> list[Network]:
    """The bundles of runs, with the errors of those that an accuracy report or the run knows.

    Args:
        runs: `result.json` of `lunar-bench run`, or their folders.
        accuracies: What `lunar-bench accuracy --save` wrote.

    Raises:
        InputError: A file is none of these.
    """
    errors: dict[str, Mapping[str, float]] = {}
    for path in accuracies:
        for one in _read_accuracy(path).methods:
            if one.method == "network" and one.bundle is not None:
                errors[one.bundle.digest] = one.medians
    networks = []
    for path in runs:
        record = read_run(path)
        known = {point.bundle_digest: point.medians for point in record.accuracy} | errors
        networks += [
            _network(candidate, record, known)
            for candidate in record.candidates
            if candidate.kind == "bundle" and "inference" in candidate.stages
        ]
    return networks


def _network(
    candidate: CandidateRecord, record: RunRecord, errors: Mapping[str, Mapping[str, float]]
) -> Network:
    bundle, total, start = candidate.bundle, candidate.parts.get("total"), candidate.start
    found = {} if bundle is None else errors.get(bundle.digest, {})
    return Network(
        name=printable(candidate.name),
        student="" if bundle is None else bundle.student,
        where=printable(f"{candidate.device}, {candidate.backend}, {record.machine.processor}"),
        parameters=None if bundle is None else bundle.parameters,
        gflop=None if total is None else total.gflop,
        latency_ms=candidate.stages["inference"].median_ms,
        memory_mb=None if start is None else start.peak_rss_mib * _MIB_MB,
        errors={name: found[name] for name in _FIGURES if name in found},
    )


def arms_of(path: Path) -> list[Arm]:
    """The arms of an ablation, each the mean of its seeds.

    Args:
        path: The JSON that `lunar-distill ablate` writes beside its table.

    Raises:
        InputError: It is none.
    """
    try:
        arms: dict[str, list[dict[str, Any]]] = json.loads(path.read_bytes())["arms"]
        return [
            Arm(
                name=printable(name),
                seeds=len(runs),
                parameters=round(runs[0]["parameters"]),
                figures={figure: _mean(runs, figure) for figure in _ARM_FIGURES},
            )
            for name, runs in arms.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise InputError(f"{path}: no record of an ablation ({error})") from error


def _mean(runs: list[dict[str, Any]], figure: str) -> tuple[float, float]:
    values = np.array([run[figure] for run in runs], np.float64)
    return float(values.mean()), float(values.std())


def _read_accuracy(path: Path) -> AccuracyReport:
    try:
        return msgspec.json.decode(path.read_bytes(), type=AccuracyReport)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(
            f"{path}: no report of lunar-bench accuracy ({error}); write one with --save"
        ) from error
