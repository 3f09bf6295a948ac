"""Runs of a graph on pairs, and how long they take."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import onnxruntime
from lunar_runtime.backends.registry import select_backend
from lunar_runtime.bundles.bundle import Bundle

from lunar_export.graph.model_file import write_model
from lunar_export.judging.gate import Latency
from lunar_export.judging.pairs import EvaluationPair
from lunar_export.judging.parity import Arrays
from lunar_export.lowering.reduce import Reduced

FEWEST_ROUNDS, MOST_ROUNDS = 9, 41
SECONDS = 20.0


def run_graph(
    reduced: Reduced,
    target: str,
    pairs: Sequence[EvaluationPair],
    each: Callable[[], None] = lambda: None,
) -> list[Arrays]:
    """A reduced graph's outputs on pairs.

    Args:
        reduced: The graph.
        target: On `cpu` it runs as lunar-infer runs it; for `tensorrt` its emulation runs, Q/DQ as
            they are written: ONNX Runtime's integer kernels round and saturate in their own way.
        pairs: Which pairs.
        each: Called after every pair.
    """
    model = reduced.emulated
    names = [output.name for output in model.graph.output]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if target != "cpu":
        options.add_session_config_entry("session.disable_quant_qdq", "1")
    with tempfile.TemporaryDirectory(prefix="lunar-export-") as folder:
        path = write_model(model, Path(folder), check=False)["model.onnx"]
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    outputs = []
    for pair in pairs:
        feed = {"left": pair.left[None, None], "right": pair.right[None, None]}
        outputs.append(dict(zip(names, session.run(names, feed), strict=True)))
        each()
    return outputs


def run_bundle(
    bundle: Bundle, pairs: Sequence[EvaluationPair], each: Callable[[], None] = lambda: None
) -> list[Arrays]:
    """A bundle's outputs on pairs, as lunar-infer gets them."""
    backend = select_backend(bundle, "onnxruntime", "cpu")
    outputs = []
    try:
        for pair in pairs:
            outputs.append(backend.run(pair.left[None, None], pair.right[None, None]))
            each()
    finally:
        backend.close()
    return outputs


def compare_latency(fp32: Bundle, other: Bundle, pair: EvaluationPair) -> Latency:
    """Time two bundles in turn, so that whatever else the machine does slows both.

    Args:
        fp32: What is replaced.
        other: What replaces it.
        pair: What they are run on.

    Returns:
        The median of the ratios of neighbouring runs, after one run each to warm up.
    """
    backends = [select_backend(bundle, "onnxruntime", "cpu") for bundle in (fp32, other)]
    ratios: list[float] = []
    try:
        begin = time.perf_counter()
        while len(ratios) <= FEWEST_ROUNDS or (
            len(ratios) <= MOST_ROUNDS and time.perf_counter() - begin < SECONDS
        ):
            times = []
            for backend in backends:
                start = time.perf_counter()
                backend.run(pair.left[None, None], pair.right[None, None])
                times.append(time.perf_counter() - start)
            ratios.append(times[1] / times[0])
        name = backends[0].name
    finally:
        for backend in backends:
            backend.close()
    where = f"{name} on cpu, {os.cpu_count()} cores, {len(ratios) - 1} runs in turn"
    return Latency(statistics.median(ratios[1:]), where)
