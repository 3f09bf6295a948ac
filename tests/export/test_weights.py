"""Weights held out, put back, stored once."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from lunar_export.graph import weights
from onnx import TensorProto, helper, numpy_helper


@pytest.fixture
def model():
    """y = (x·a)·b + c, where b equals a."""
    a = np.arange(16, dtype=np.float32).reshape(4, 4)
    tensors = {"a": a, "b": a.copy(), "c": np.arange(4, dtype=np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["u"]),
        helper.make_node("MatMul", ["u", "b"], ["v"]),
        helper.make_node("Add", ["v", "c"], ["y"]),
    ]
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, (2, 4)) for n in ("x", "y")]
    initializers = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": np.arange(8, dtype=np.float32).reshape(2, 4)})[0]


def test_equal_weights_are_stored_once_and_nothing_else_changes(model):
    before = run(model)
    weights.merge_equal(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c"]
    np.testing.assert_array_equal(run(model), before)


def test_equal_bytes_of_another_shape_or_type_are_not_equal(model):
    model.graph.initializer.extend(
        numpy_helper.from_array(array, name)
        for name, array in {
            "flat": np.arange(16, dtype=np.float32),
            "bits": np.arange(4, dtype=np.float32).view(np.int32),
        }.items()
    )
    weights.merge_equal(model)
    assert [tensor.name for tensor in model.graph.initializer] == ["a", "c", "flat", "bits"]


def test_held_out_weights_are_inputs_until_they_are_put_back(model):
    before = run(model)
    held = weights.hold_out(model, {"a", "b"})
    assert sorted(tensor.name for tensor in held) == ["a", "b"]
    assert sorted(value.name for value in model.graph.input) == ["a", "b", "x"]
    assert weights.parameter_count(model) == 4
    onnx.checker.check_model(model)
    weights.put_back(model, held)
    assert [value.name for value in model.graph.input] == ["x"]
    assert weights.parameter_count(model) == 36
    np.testing.assert_array_equal(run(model), before)


def test_a_held_out_weight_that_is_no_longer_read_does_not_come_back(model):
    held = weights.hold_out(model, {"a", "b"})
    model.graph.node[1].input[1] = "a"
    weights.put_back(model, held)
    assert [tensor.name for tensor in model.graph.initializer] == ["c", "a"]
