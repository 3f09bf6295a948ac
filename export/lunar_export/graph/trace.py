"""PyTorch to ONNX, as a file."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lunar_export.graph import opset

_CACHE = "TORCHINDUCTOR_CACHE_DIR"
# They tell of every constant that they fold, at every level.
_EXPORTERS = ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")


def trace(
    graph: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path
) -> None:
    """Write a graph and, beside it, its weights.

    Args:
        graph: The network, or a part of it.
        inputs: By name, in the order of its arguments; one tensor given twice would become one
            input read twice.
        outputs: Their names, in its order.
        path: The `.onnx` file to write.
    """
    with _quiet(), _own_cache(path.parent), torch.no_grad():
        program = torch.onnx.export(
            graph,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=opset.TRACED,
            input_names=list(inputs),
            output_names=list(outputs),
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
def _own_cache(folder: Path) -> Iterator[None]:
    """Keep PyTorch's cache of compiled code out of the system's temporary files, where it stays."""
    if _CACHE in os.environ:  # the user's own
        yield
        return
    os.environ[_CACHE] = str(folder / "inductor")
    try:
        yield
    finally:
        os.environ.pop(_CACHE, None)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own progress off the terminal and the log; its errors are exceptions."""
    levels = {name: logging.getLogger(name).level for name in _EXPORTERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
