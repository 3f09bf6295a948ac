"""Weights of float layers stored in FP16."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from lunar_export.lowering.half_weights import store_weights_in_half
from onnx import TensorProto, helper, numpy_helper

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 32, 32, 32)).astype(np.float32)


@pytest.fixture
def model():
    """A large convolution, a small one, and a field that is added to their output."""
    nodes = [
        helper.make_node("Conv", ["x", "large"], ["wide"], name="large/Conv"),
        helper.make_node("Conv", ["wide", "small"], ["narrow"], name="small/Conv"),
        helper.make_node("Add", ["narrow", "field"], ["y"], name="Add"),
    ]
    tensors = {"large": (64, 32, 1, 1), "small": (4, 64, 1, 1), "field": (4, 32, 32)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 4, 32, 32))],
        [
            numpy_helper.from_array(RNG.normal(size=shape).astype(np.float32), name)
            for name, shape in tensors.items()
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def session(model, **options):
    chosen = onnxruntime.SessionOptions()
    for name, value in options.items():
        setattr(chosen, name, value)
    return onnxruntime.InferenceSession(model.SerializeToString(), chosen)


def constants(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def test_only_large_weights_of_layers_are_stored_in_two_bytes(model):
    before = constants(model)
    store_weights_in_half(model)
    onnx.checker.check_model(model, full_check=True)
    after = constants(model)
    assert set(after) == {"large/half", "small", "field"}
    assert after["large/half"].dtype == np.float16
    np.testing.assert_array_equal(after["large/half"], before["large"].astype(np.float16))
    np.testing.assert_array_equal(after["field"], before["field"])


def test_the_products_are_those_of_the_rounded_weights_in_fp32(model):
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    large = rounded.graph.initializer[0]
    values = numpy_helper.to_array(large).astype(np.float16).astype(np.float32)
    large.CopyFrom(numpy_helper.from_array(values, "large"))
    store_weights_in_half(model)
    np.testing.assert_array_equal(
        session(model).run(None, {"x": X})[0], session(rounded).run(None, {"x": X})[0]
    )


def test_a_session_converts_them_once_as_it_is_loaded(model, tmp_path):
    store_weights_in_half(model)
    session(model, optimized_model_filepath=str(tmp_path / "loaded.onnx"))
    loaded = onnx.load(tmp_path / "loaded.onnx")
    assert "Cast" not in {node.op_type for node in loaded.graph.node}


def test_weights_beyond_fp16_stay(model):
    values = numpy_helper.to_array(model.graph.initializer[0]).copy()
    values[0, 0] = 1e5
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(values, "large"))
    store_weights_in_half(model)
    assert "large/half" not in constants(model)
