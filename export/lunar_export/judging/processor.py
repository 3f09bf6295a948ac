"""Graphs for OpenVINO run in OpenVINO itself, on this processor: nothing is emulated."""

from __future__ import annotations

from collections.abc import Sequence

from lunar_runtime.backends.openvino.library import CAPABILITIES, import_library
from lunar_runtime.backends.openvino.network import CompiledNetwork, Setting
from lunar_runtime.bundles.choices import Arithmetic, Precision
from lunar_runtime.errors import BackendError

from lunar_export.judging.reference import Arrays
from lunar_export.pairs.evaluation import EvaluationPair

_DEVICE = "CPU"
_KINDS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "int8"}


def require_openvino(precision: Precision) -> None:
    """Refuse now what could not be judged after minutes of work.

    Raises:
        BackendError: OpenVINO is not there, or this processor does not compute in the precision.
    """
    import_library().check_arithmetic(_DEVICE, _KINDS[precision])


def has_bfloat16() -> bool:
    """Whether OpenVINO computes in bfloat16 on this processor."""
    return CAPABILITIES["bf16"] in import_library().capabilities(_DEVICE)


def run_in_openvino(
    graph: bytes,
    arithmetic: Arithmetic,
    pairs: Sequence[EvaluationPair],
    threads: int | None = None,
) -> list[Arrays]:
    """An ONNX graph's outputs on pairs.

    Args:
        graph: The ONNX file's content.
        arithmetic: What is computed in wherever the graph says float32.
        pairs: Which pairs.
        threads: Of the processor; None is one per core.

    Raises:
        BackendError: OpenVINO cannot load the graph, or failed.
    """
    library = import_library()
    try:
        network = CompiledNetwork.of_graph(library, graph, Setting(_DEVICE, arithmetic, threads))
        names = network.outputs()
        images = (
            {"left": pair.left[None, None], "right": pair.right[None, None]} for pair in pairs
        )
        return [network.run(feed, names) for feed in images]
    except RuntimeError as error:
        if isinstance(error, BackendError):
            raise
        lines = str(error).strip().splitlines()
        raise BackendError(f"{library} cannot run the graph ({lines[-1].strip()})") from error
