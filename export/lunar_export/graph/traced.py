"""First stage: from the PyTorch network to its FP32 graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import Student

from lunar_export.graph.model_file import SIZES, SizeLimits
from lunar_export.graph.pair_graph import PairGraph
from lunar_export.graph.simplify import simplify
from lunar_export.graph.suitability import check_graph
from lunar_export.graph.trace import trace
from lunar_export.progress import LOG, Progress


@dataclass(frozen=True)
class Traced:
    """A network's FP32 graph.

    Attributes:
        model: The graph, its weights in memory.
        outputs: What it gives.
        height: Rows of its images.
        width: Columns of its images.
        simplifier: What simplified it, in words.
    """

    model: onnx.ModelProto
    outputs: OutputSet
    height: int
    width: int
    simplifier: str


def trace_student(
    student: Student,
    outputs: OutputSet,
    height: int,
    width: int,
    work: Path,
    sizes: SizeLimits = SIZES,
    progress: Progress = LOG,
) -> Traced:
    """Trace and simplify a network.

    Args:
        student: The network. It is not changed.
        outputs: What of it.
        height: Rows of the images, a multiple of 16.
        width: Columns of the images, a multiple of 16.
        work: A folder for what is made on the way, which is deleted.
        sizes: What the tools can handle at once.
        progress: Told of every stage.

    Raises:
        BundleError: The graph holds what TensorRT could not read.
    """
    path = work / "traced.onnx"
    progress.begin("tracing")
    trace(PairGraph(student, height, width, outputs), height, width, path)
    progress.begin("simplifying")
    model, simplifier = simplify(path, sizes)
    for file in work.glob("traced.onnx*"):
        file.unlink()
    check_graph(model)
    return Traced(model, outputs, height, width, simplifier)
