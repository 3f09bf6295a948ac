"""Behaviour of the libraries below that docs/compatibility.md says the export relies on."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from lunar_export.lowering.placement import place
from lunar_export.lowering.qdq import quantise
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

_INT16_MAX = 32767


@pytest.mark.parametrize("signs", ["one sign", "mixed"])
def test_integer_products_for_a_cpu_fit_16_bits(signs: str) -> None:
    """Without VNNI, x86 adds two neighbouring uint8 x int8 products in int16, which saturates."""
    random = np.random.default_rng(0)
    middle = random.normal(size=(6, 4, 3, 3)).astype(np.float32)
    if signs == "one sign":
        middle = np.float32(1) + np.abs(middle) / 10  # every pair is as large as it can be
    model = _convolutions(middle)
    placement = place(model, "cpu")
    assert placement.unsigned
    quantised = quantise(model, placement, {"b": 2.0, "d": 3.0})
    weights = {t.name: numpy_helper.to_array(t) for t in quantised.graph.initializer}
    # ONNX Runtime's convolutions run over pixels first, over channels within.
    rows = weights["middle/integer"].astype(int).transpose(0, 2, 3, 1).reshape(6, -1, 2)
    largest = max(np.maximum(rows, 0).sum(-1).max(), np.maximum(-rows, 0).sum(-1).max())
    assert 255 * largest <= _INT16_MAX
    assert 255 * largest > 0.9 * _INT16_MAX  # and no bit is given away


def _convolutions(middle: NDArray[np.float32]) -> onnx.ModelProto:
    """Three convolutions; the first and the last stay in float."""
    tensors = {
        "first": np.ones((4, 1, 3, 3), np.float32),
        "middle": middle.astype(np.float32),
        "last": np.ones((4, 6, 1, 1), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], name="first/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="first/Relu"),
        helper.make_node("Conv", ["b", "middle"], ["c"], name="middle/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["d"], name="middle/Relu"),
        helper.make_node("Conv", ["d", "last"], ["y"], name="last/Conv"),
    ]
    graph = helper.make_graph(
        nodes,
        "three_convolutions",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 8, 8))],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
