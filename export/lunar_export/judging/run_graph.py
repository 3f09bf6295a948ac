"""Runs of a graph on pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import onnxruntime
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle
from lunar_runtime.bundles.choices import Target
from lunar_runtime.files.work_folder import work_folder

from lunar_export.graph.model_file import write_model
from lunar_export.judging.processor import run_in_openvino
from lunar_export.judging.reference import Arrays
from lunar_export.lowering.lower import Lowered
from lunar_export.pairs.evaluation import EvaluationPair

#: Target -> the backend that a graph made for it is judged in. Made for TensorRT, it is emulated.
BACKENDS: dict[Target, str] = {
    "cpu": "onnxruntime",
    "openvino": "openvino",
    "tensorrt": "onnxruntime",
}


def run_graph(
    lowered: Lowered, pairs: Sequence[EvaluationPair], threads: int | None = None
) -> list[Arrays]:
    """A lowered graph's outputs on pairs.

    Made for a CPU or OpenVINO, the graph runs as lunar-infer runs it. Made for TensorRT, its
    emulation runs, Q/DQ as they are written: ONNX Runtime's integer kernels round and saturate in
    their own way.

    Args:
        lowered: The graph.
        pairs: Which pairs.
        threads: Of the processor; None is one per core.
    """
    model = lowered.emulated
    if lowered.recipe.target == "openvino":
        arithmetic = lowered.recipe.arithmetic
        return run_in_openvino(model.SerializeToString(), arithmetic, pairs, threads)
    names = [output.name for output in model.graph.output]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads or 0
    if lowered.recipe.target != "cpu":
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    with work_folder("lunar-export") as folder:
        path = write_model(model, folder, check=False)["model.onnx"]
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    outputs = []
    for pair in pairs:
        feed = {"left": pair.left[None, None], "right": pair.right[None, None]}
        outputs.append(dict(zip(names, session.run(names, feed), strict=True)))
    return outputs


def run_bundle(
    bundle: Bundle,
    pairs: Sequence[EvaluationPair],
    each: Callable[[], None] = lambda: None,
    threads: int | None = None,
) -> Iterator[Arrays]:
    """A bundle's outputs on pairs, one by one, as lunar-infer gets them.

    Args:
        bundle: The bundle.
        pairs: Which pairs.
        each: Called after every pair.
        threads: Of the processor; None is one per core.
    """
    backend = select_backend(bundle, BACKENDS[bundle.manifest.target], "cpu", threads)
    try:
        for pair in pairs:
            yield backend.run(pair.left[None, None], pair.right[None, None])
            each()
    finally:
        backend.close()
