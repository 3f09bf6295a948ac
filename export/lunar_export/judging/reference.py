"""What the network itself gives on pairs: everything else is compared with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from lunar_runtime.bundles.choices import OUTPUT_NAMES, OutputSet
from lunar_runtime.errors import GateError
from lunar_student import Student
from numpy.typing import NDArray

from lunar_export.graph.pair_graph import normalise
from lunar_export.pairs.evaluation import EvaluationPair
from lunar_export.progress import LOG, Progress

#: One pair's outputs by the names that the graph has for them.
Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Reference:
    """Pairs with the network's outputs.

    Attributes:
        pairs: Which pairs.
        outputs: Of each pair.
    """

    pairs: tuple[EvaluationPair, ...]
    outputs: tuple[Arrays, ...]


def run_network(
    student: Student,
    pairs: Sequence[EvaluationPair],
    outputs: OutputSet,
    progress: Progress = LOG,
    threads: int | None = None,
) -> Reference:
    """Run the network in PyTorch.

    Args:
        student: The network.
        pairs: On what.
        outputs: What is wanted of it.
        progress: Told of every pair.
        threads: Of the processor; None is what PyTorch was told.

    Raises:
        GateError: An output is not finite.
    """
    progress.begin("running the network", len(pairs))
    found = []
    with _torch_threads(threads):
        for pair in pairs:
            found.append(_run(student, pair, outputs))
            progress.step()
    return Reference(tuple(pairs), tuple(found))


def _run(student: Student, pair: EvaluationPair, outputs: OutputSet) -> Arrays:
    left, right = (
        normalise(torch.from_numpy(image)[None, None]) for image in (pair.left, pair.right)
    )
    with torch.inference_mode():
        given = student(left, right, outputs)
    arrays = {name: getattr(given, name).numpy() for name in OUTPUT_NAMES[outputs]}
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise GateError(
                f"the network itself gives NaN or infinity in {name} on the {pair.source} pair; "
                "nothing was written. Use a checkpoint whose training did not diverge"
            )
    return arrays


@contextmanager
def _torch_threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
