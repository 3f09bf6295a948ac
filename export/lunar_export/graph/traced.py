"""First stage: from the PyTorch network to its FP32 graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch
from lunar_runtime.bundles.choices import OutputSet
from lunar_student import Student
from torch import Tensor, nn

from lunar_export.graph.model_file import SIZES, SizeLimits
from lunar_export.graph.pair_graph import PairGraph
from lunar_export.graph.simplify import simplify
from lunar_export.graph.split_graph import IMAGE, VIEWS, DecoderGraph, EncoderGraph
from lunar_export.graph.suitability import check_graph
from lunar_export.graph.trace import trace
from lunar_export.progress import LOG, Progress


@dataclass(frozen=True)
class Traced:
    """A network's FP32 graph.

    Attributes:
        model: The graph, its weights in memory; where there are two, the decoder.
        outputs: What it gives.
        height: Rows of its images.
        width: Columns of its images.
        simplifier: What simplified it, in words.
        encoder: What one image goes through, where the network is in two graphs.
    """

    model: onnx.ModelProto
    outputs: OutputSet
    height: int
    width: int
    simplifier: str
    encoder: onnx.ModelProto | None = None


def trace_student(
    student: Student,
    outputs: OutputSet,
    height: int,
    width: int,
    work: Path,
    sizes: SizeLimits = SIZES,
    progress: Progress = LOG,
    *,
    split: bool = False,
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
        split: In two graphs: what one image goes through, and what two then do.

    Raises:
        BundleError: The graph holds what TensorRT could not read.
    """
    pair = PairGraph(student, height, width, outputs)
    make = _Maker(work / "traced.onnx", sizes, progress)
    if not split:
        images = {view: torch.zeros(1, 1, height, width, dtype=torch.uint8) for view in VIEWS}
        model, simplifier = make(pair, images, pair.names)
        return Traced(model, outputs, height, width, simplifier)
    first = EncoderGraph(pair)
    features = first.features((height, width))
    image = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    encoder, _ = make(first, {IMAGE: image}, list(features))
    second = DecoderGraph(pair, features)
    decoder, simplifier = make(second, second.inputs, pair.names)
    return Traced(decoder, outputs, height, width, simplifier, encoder)


@dataclass(frozen=True)
class _Maker:
    """Traces and simplifies a graph; see `trace`."""

    path: Path
    sizes: SizeLimits
    progress: Progress

    def __call__(
        self, graph: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]
    ) -> tuple[onnx.ModelProto, str]:
        self.progress.begin("tracing")
        trace(graph, inputs, outputs, self.path)
        self.progress.begin("simplifying")
        model, simplifier = simplify(self.path, self.sizes)
        for file in self.path.parent.glob(f"{self.path.name}*"):
            file.unlink()
        check_graph(model)
        return model, simplifier
