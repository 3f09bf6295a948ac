"""Is the graph the network? Both are run on the same pairs and compared, value by value."""

from __future__ import annotations

import numpy as np
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.manifest import OutputParity, ParityRecord
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import GateError

from lunar_export.judging.reference import Reference
from lunar_export.judging.run_graph import run_bundle
from lunar_export.pairs.evaluation import describe
from lunar_export.progress import LOG, Progress

# Of the largest error of any value. Float32 has 6e-8; some hundred layers in another order of
# summation and an exponential at the end leave about 1e-5.
FP32_TOLERANCE = 1e-4


def measure_parity(
    bundle: Bundle, expected: Reference, progress: Progress = LOG, threads: int | None = None
) -> ParityRecord:
    """Compare a graph with what the network gave.

    Args:
        bundle: With the graph.
        expected: What the network gave, and on what.
        progress: Told of every pair.
        threads: Of the processor; None is one per core.

    Returns:
        Per output, the largest error of any value of any pair, and the mean over all.
    """
    progress.begin("comparing", len(expected.pairs))
    errors: dict[str, list[tuple[float, float]]] = {}
    outputs = run_bundle(bundle, expected.pairs, progress.step, threads)
    for given, wanted in zip(outputs, expected.outputs, strict=True):
        for name, values in wanted.items():
            errors.setdefault(name, []).append(relative_error(given[name], values))
    return ParityRecord(
        reference="FP32 PyTorch student",
        pairs=len(expected.pairs),
        pairs_source=describe(expected.pairs),
        tolerance=FP32_TOLERANCE,
        outputs={
            name: OutputParity(
                max_relative_error=max(largest for largest, _ in values),
                mean_relative_error=float(np.mean([mean for _, mean in values])),
            )
            for name, values in errors.items()
        },
    )


def require_parity(parity: ParityRecord) -> None:
    """Refuse a graph that is not the network.

    Raises:
        GateError: The worst output and its error.
    """
    name, worst = max(parity.outputs.items(), key=lambda item: item[1].max_relative_error)
    if not worst.max_relative_error <= parity.tolerance:
        raise GateError(
            f"the graph differs from the network: {name} by up to {worst.max_relative_error:.1e} "
            f"(mean {worst.mean_relative_error:.1e}), {parity.tolerance:.0e} is allowed; nothing "
            "was written. Use the versions of torch, onnx and onnxsim that constraints.txt names"
        )
