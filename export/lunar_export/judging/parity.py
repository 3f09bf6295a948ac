"""Is the graph the network? Both are run on the same pairs and compared, value by value."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from lunar_runtime.backends.protocol import Backend
from lunar_runtime.bundles.choices import OUTPUT_NAMES
from lunar_runtime.bundles.manifest import OutputParity, ParityRecord
from lunar_runtime.bundles.parity import relative_error
from lunar_runtime.errors import GateError
from lunar_student import Outputs, Student
from numpy.typing import NDArray

from lunar_export.graph.graph import normalise
from lunar_export.judging.pairs import EvaluationPair, describe

# Of the largest error of any value. Float32 has 6e-8; some hundred layers in another order of
# summation and an exponential at the end leave about 1e-5.
FP32_TOLERANCE = 1e-4

Arrays = dict[str, NDArray[np.float32]]


def run_student(student: Student, pair: EvaluationPair, outputs: Outputs) -> Arrays:
    """The network's own outputs, named as the graph's.

    Raises:
        GateError: They are not finite.
    """
    left, right = (
        normalise(torch.from_numpy(image)[None, None]) for image in (pair.left, pair.right)
    )
    with torch.inference_mode():
        given = student(left, right, outputs)
    arrays = {name: getattr(given, name).numpy() for name in OUTPUT_NAMES[outputs.value]}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise GateError(
                f"the network itself gives NaN or infinity in {name} on the {pair.source} pair; "
                "nothing was written. Use a checkpoint whose training did not diverge"
            )
    return arrays


def measure_parity(
    backend: Backend,
    pairs: Sequence[EvaluationPair],
    references: Sequence[Arrays],
    each: Callable[[], None] = lambda: None,
) -> ParityRecord:
    """Compare a loaded graph with what the network gave.

    Args:
        backend: The graph.
        pairs: What to run.
        references: Per pair, the network's outputs.
        each: Called after every pair.

    Returns:
        Per output, the largest error of any value of any pair, and the mean over all.
    """
    errors: dict[str, list[tuple[float, float]]] = {}
    for pair, reference in zip(pairs, references, strict=True):
        given = backend.run(pair.left[None, None], pair.right[None, None])
        for name, expected in reference.items():
            errors.setdefault(name, []).append(relative_error(given[name], expected))
        each()
    return ParityRecord(
        reference="FP32 PyTorch student",
        pairs=len(pairs),
        pairs_source=describe(pairs),
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
