"""Weights of float layers stored in FP16."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from export.small_graphs import constants, model_of, run, set_constant
from lunar_export.lowering.half_weights import store_weights_in_half
from onnx import helper

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1, 32, 32, 32)).astype(np.float32)
TENSORS = {
    name: RNG.normal(size=shape).astype(np.float32)
    for name, shape in {
        "large": (64, 32, 1, 1),
        "small": (4, 64, 1, 1),
        "field": (4, 32, 32),
    }.items()
}


@pytest.fixture
def model() -> onnx.ModelProto:
    """A large convolution, a small one, and a field that is added to their output."""
    nodes = [
        helper.make_node("Conv", ["x", "large"], ["wide"], name="large/Conv"),
        helper.make_node("Conv", ["wide", "small"], ["narrow"], name="small/Conv"),
        helper.make_node("Add", ["narrow", "field"], ["y"], name="Add"),
    ]
    return model_of(nodes, {"x": X.shape}, {"y": (1, 4, 32, 32)}, TENSORS)


def test_only_large_weights_of_layers_are_stored_in_two_bytes(model: onnx.ModelProto) -> None:
    before = constants(model)
    store_weights_in_half(model)
    onnx.checker.check_model(model, full_check=True)
    after = constants(model)
    assert set(after) == {"large/half", "small", "field"}
    assert after["large/half"].dtype == np.float16
    np.testing.assert_array_equal(after["large/half"], before["large"].astype(np.float16))
    np.testing.assert_array_equal(after["field"], before["field"])


def test_the_products_are_those_of_the_rounded_weights_in_fp32(model: onnx.ModelProto) -> None:
    rounded = copy.deepcopy(model)
    set_constant(rounded, "large", TENSORS["large"].astype(np.float16).astype(np.float32))
    store_weights_in_half(model)
    np.testing.assert_array_equal(run(model, {"x": X})["y"], run(rounded, {"x": X})["y"])


def test_a_session_converts_them_once_as_it_is_loaded(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    store_weights_in_half(model)
    options: Any = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    loaded = onnx.load(tmp_path / "loaded.onnx")
    assert "Cast" not in {node.op_type for node in loaded.graph.node}


def test_weights_beyond_fp16_stay(model: onnx.ModelProto) -> None:
    values = TENSORS["large"].copy()
    values[0, 0] = 1e5
    set_constant(model, "large", values)
    store_weights_in_half(model)
    assert "large/half" not in constants(model)
