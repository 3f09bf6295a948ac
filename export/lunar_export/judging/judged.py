"""Fourth stage: whether a graph may ship, and all that was measured of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.manifest import GateRecord, ParityRecord
from lunar_runtime.bundles.parity import relative_error
from numpy.typing import NDArray

from lunar_export.judging.gate import GateSubject, gate_record
from lunar_export.judging.latency import compare_latency
from lunar_export.judging.parity import measure_parity, require_parity
from lunar_export.judging.reference import Reference
from lunar_export.judging.run_graph import run_bundle
from lunar_export.judging.search import Found, SearchPlan
from lunar_export.judging.slope_error import SlopeReference
from lunar_export.pairs.evaluation import describe
from lunar_export.progress import LOG, Progress

# Mean error of the golden pair allowed on another machine. TF32, which GPUs use for FP32, keeps 10
# bits of a factor: 5e-4 each, averaged over the sum of many.
GOLDEN_TOLERANCE = 1e-3
# What another machine rounds differently is of the size of what the lower precision does.
GOLDEN_MARGIN = 1.5


@dataclass(frozen=True)
class Lowering:
    """How the precision was lowered, and what that did.

    Attributes:
        found: What the search ended with.
        gate: What was measured of it.
    """

    found: Found
    gate: GateRecord


@dataclass(frozen=True)
class Judged:
    """What was measured of a graph.

    Attributes:
        parity: Of the FP32 graph against the network.
        tolerances: Per output, the mean error that another machine may have on the golden pair.
        lowering: None where the graph stays FP32.
    """

    parity: ParityRecord
    tolerances: Mapping[str, float]
    lowering: Lowering | None = None

    @property
    def passed(self) -> bool:
        """Whether the graph has the accuracy and the speed that it must have."""
        return self.lowering is None or not self.lowering.gate.failures


def judge_fp32(
    bundle: Bundle, expected: Reference, progress: Progress = LOG, threads: int | None = None
) -> Judged:
    """Compare the FP32 graph with the network.

    Args:
        bundle: With the graph.
        expected: What the network gave, and on what.
        progress: Told of every pair.
        threads: Of the processor; None is one per core.

    Raises:
        GateError: The graph does not compute what the network computes.
    """
    parity = measure_parity(bundle, expected, progress, threads)
    require_parity(parity)
    return Judged(parity, dict.fromkeys(expected.outputs[0], GOLDEN_TOLERANCE))


def judge_lowered(
    judged: Judged,
    fp32: Bundle,
    bundle: Bundle,
    found: Found,
    expected: SlopeReference,
    plan: SearchPlan,
    *,
    trained: bool,
    progress: Progress = LOG,
) -> Judged:
    """Hold a lowered graph to its gate.

    Args:
        judged: What was found of the FP32 graph.
        fp32: The bundle with that graph.
        bundle: The bundle with the lowered graph.
        found: The search that it came from.
        expected: The gate's pairs, and what the FP32 student gives there.
        plan: Of the search; its limits are the gate's.
        trained: False for random weights, which fail the gate, whatever is measured.
        progress: Told of every stage.
    """
    # What was tried last is what was written. But for
    # TensorRT the written bundle can be run itself.
    outputs, error, latency = found.trial.outputs, found.trial.error, None
    if found.recipe.target != "tensorrt":
        progress.begin("judging", len(expected.pairs))
        outputs = tuple(run_bundle(bundle, expected.pairs, progress.step, plan.threads))
        error = expected.measure(outputs)
        progress.begin("timing")
        latency = compare_latency(fp32, bundle, expected.pairs[0], plan.threads)
    subject = GateSubject(
        precision=found.recipe.precision,
        pairs=len(expected.pairs),
        pairs_source=describe(expected.pairs),
        fp32_bytes=_model_bytes(fp32),
        bytes=_model_bytes(bundle),
        trained=trained,
    )
    gate = gate_record(subject, error, expected.fp32, latency, plan.limits)
    exact = expected.reference.outputs[0]
    tolerances = {
        name: allowed + GOLDEN_MARGIN * _mean_error(outputs[0][name], exact[name])
        for name, allowed in judged.tolerances.items()
    }
    return Judged(judged.parity, tolerances, Lowering(found, gate))


def _model_bytes(bundle: Bundle) -> int:
    files = bundle.manifest.files.items()
    return sum(record.bytes for name, record in files if name.startswith("model."))


def _mean_error(given: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    mean = relative_error(given, expected)[1]
    return mean if np.isfinite(mean) else 1.0
