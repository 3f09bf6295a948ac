"""Weights held out, put back, stored once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from export.small_graphs import Array, model_of, parameter_count
from export.small_graphs import run as run_model
from lunar_export.graph import weights
from onnx import helper, numpy_helper


@pytest.fixture
def model() -> onnx.ModelProto:
    """y = (x·a)·b + c, where b equals a."""
    a = np.arange(16, dtype=np.float32).reshape(4, 4)
    tensors = {"a": a, "b": a.copy(), "c": np.arange(4, dtype=np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["u"]),
        helper.make_node("MatMul", ["u", "b"], ["v"]),
        helper.make_node("Add", ["v", "c"], ["y"]),
    ]
    return model_of(nodes, {"x": (2, 4)}, {"y": (2, 4)}, tensors)


def run(model: onnx.ModelProto) -> Array:
    return run_model(model, {"x": np.arange(8, dtype=np.float32).reshape(2, 4)})["y"]


def test_equal_weights_are_stored_once_and_nothing_else_changes(model: onnx.ModelProto) -> None:
    before = run(model)
    weights.merge_equal(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c"]
    np.testing.assert_array_equal(run(model), before)


def test_equal_bytes_of_another_shape_or_type_are_not_equal(model: onnx.ModelProto) -> None:
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name)
        for name, array in {
            "flat": np.arange(16, dtype=np.float32),
            "bits": np.arange(4, dtype=np.float32).view(np.int32),
        }.items()
    )
    weights.merge_equal(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c", "flat", "bits"]


def test_held_out_weights_are_inputs_until_they_are_put_back(model: onnx.ModelProto) -> None:
    before = run(model)
    held = weights.hold_out(model, {"a", "b"})
    assert sorted(tensor.name for tensor in held) == ["a", "b"]
    assert sorted(value.name for value in model.graph.input) == ["a", "b", "x"]
    assert parameter_count(model) == 4
    onnx.checker.check_model(model)
    weights.put_back(model, held)
    assert [value.name for value in model.graph.input] == ["x"]
    assert parameter_count(model) == 36
    np.testing.assert_array_equal(run(model), before)


def test_a_held_out_weight_that_is_no_longer_read_does_not_come_back(
    model: onnx.ModelProto,
) -> None:
    held = weights.hold_out(model, {"a", "b"})
    model.graph.node[1].input[1] = "a"
    weights.put_back(model, held)
    assert [tensor.name for tensor in model.graph.initializer] == ["c", "a"]


def test_weights_that_nothing_reads_are_dropped(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[1] = "a"
    weights.drop_unread(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c"]
