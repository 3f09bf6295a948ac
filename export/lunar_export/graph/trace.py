"""PyTorch to ONNX, as a file."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from lunar_export.graph import opset
from lunar_export.graph.pair_graph import PairGraph

INPUT_NAMES = ("left", "right")


def trace(graph: PairGraph, height: int, width: int, path: Path) -> None:
    """Write a graph and, beside it, its weights.

    Args:
        graph: The network.
        height: Rows of the images.
        width: Columns of the images.
        path: The `.onnx` file to write.
    """
    # Two tensors: one tensor given twice would become one input read twice.
    example = tuple(torch.zeros(1, 1, height, width, dtype=torch.uint8) for _ in INPUT_NAMES)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            example,
            dynamo=True,
            opset_version=opset.TRACED,
            input_names=INPUT_NAMES,
            output_names=graph.names,
            custom_translation_table=_translations(),
            verbose=False,
        )
        assert program is not None
        program.save(path, external_data=True)


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    from onnxscript import opset18 as op

    def attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> Any:
        """Softmax(q·kᵀ/√D)·v in the form that parsers recognise as attention."""
        scaled = op.Mul(query, op.Constant(value_float=1 / math.sqrt(query.shape[-1])))
        scores = op.MatMul(scaled, op.Transpose(key, perm=[0, 1, 3, 2]))
        return op.MatMul(op.Softmax(scores, axis=-1), value)

    def gelu(x: Any, approximate: str = "none") -> Any:
        """x·(1 + erf(x/√2))·½, in the order in which ONNX Runtime fuses it."""
        assert approximate == "none", "the family uses the exact GELU"
        error = op.Erf(op.Div(x, op.Constant(value_float=math.sqrt(2))))
        doubled = op.Mul(x, op.Add(error, op.Constant(value_float=1.0)))
        return op.Mul(doubled, op.Constant(value_float=0.5))

    return {
        torch.ops.aten.scaled_dot_product_attention.default: attention,
        torch.ops.aten.gelu.default: gelu,
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own progress off the terminal; its errors are exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
