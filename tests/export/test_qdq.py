"""Q/DQ in a graph of two layers whose numbers can be followed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from export.small_graphs import Array, constants, kinds, model_of, noise, run, set_constant
from lunar_export.graph.layers import outermost, tail, weight_layers
from lunar_export.lowering.placement import Placement, place
from lunar_export.lowering.qdq import quantise
from lunar_runtime.bundles.choices import TARGETS, Target
from onnx import TensorProto, helper

WEIGHTS: dict[str, Array] = {
    "first": noise("first", 4, 1, 3, 3),
    "middle": noise("middle", 6, 4, 3, 3),
    "middle bias": noise("middle bias", 6),
    "last": noise("last", 4, 6, 1, 1),
}


@pytest.fixture
def model() -> onnx.ModelProto:
    """Convolution, Relu, convolution, Relu, 1×1 convolution, exp."""
    return convolutions()


def convolutions() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], name="first/Conv", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="first/Relu"),
        helper.make_node(
            "Conv", ["b", "middle", "middle bias"], ["c"], name="middle/Conv", pads=[1] * 4
        ),
        helper.make_node("Relu", ["c"], ["d"], name="middle/Relu"),
        helper.make_node("Conv", ["d", "last"], ["e"], name="last/Conv"),
        helper.make_node("Exp", ["e"], ["y"], name="graph/Exp"),
    ]
    return model_of(nodes, {"x": (1, 1, 8, 8)}, {"y": (1, 4, 8, 8)}, WEIGHTS)


def test_products_of_two_activations_are_no_layers() -> None:
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="attn/Transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["s"], name="attn/MatMul"),
        helper.make_node("MatMul", ["s", "w"], ["y"], name="proj/MatMul"),
    ]
    model = model_of(nodes, {"x": (2, 3)}, {"y": (2, 5)}, {"w": np.ones((2, 5), np.float32)})
    assert [layer.node for layer in weight_layers(model)] == ["proj/MatMul"]


@pytest.mark.parametrize(
    ("kind", "attributes", "axis"),
    [
        ("Conv", {}, 0),
        ("ConvTranspose", {}, 1),
        ("MatMul", {}, 1),
        ("Gemm", {}, 1),
        ("Gemm", {"transB": 1}, 0),
    ],
)
def test_the_axis_of_the_output_channels_is_that_of_the_operator(
    kind: str, attributes: dict[str, Any], axis: int
) -> None:
    shape = (3, 3) if kind in ("MatMul", "Gemm") else (3, 3, 1, 1)
    node = helper.make_node(kind, ["x", "w"], ["y"], name="layer/it", **attributes)
    given = (2, 3) if len(shape) == 2 else (1, 3, 4, 4)
    model = model_of([node], {"x": given}, {"y": None}, {"w": np.ones(shape, np.float32)})
    assert weight_layers(model)[0].axis == axis


def test_first_last_and_what_is_behind(model: onnx.ModelProto) -> None:
    layers = weight_layers(model)
    assert outermost(model, layers) == ({"first/Conv"}, {"last/Conv"})
    assert tail(model, layers) == {"graph/Exp"}


def test_first_and_last_layers_are_kept_by_rule_and_others_by_name(model: onnx.ModelProto) -> None:
    for target in TARGETS:
        placement = place(model, target)
        assert [layer.node for layer in placement.layers] == ["middle/Conv"]
        assert list(placement.kept) == ["first/Conv", "last/Conv"]
        assert place(model, target, ["middle"]).kept["middle/Conv"] == "sensitivity"


def test_tensorrt_gets_q_dq_on_the_inputs_of_a_layer_alone(model: onnx.ModelProto) -> None:
    quantised = quantise(model, place(model, "tensorrt"), {"b": 2.0})
    assert kinds(quantised) == [
        "DequantizeLinear", "Conv", "Relu", "QuantizeLinear", "DequantizeLinear", "Conv", "Relu",
        "Conv", "Exp",
    ]  # fmt: skip
    middle = next(n for n in quantised.graph.node if n.name == "middle/Conv")
    assert list(middle.input) == ["b/dequantised", "middle/dequantised", "middle/Conv/bias"]
    onnx.checker.check_model(quantised, full_check=True)


def test_the_cpu_gets_the_relu_behind_a_convolution_and_its_bias_quantised_too(
    model: onnx.ModelProto,
) -> None:
    placement = place(model, "cpu")
    assert placement.outputs == {"b", "d"}
    quantised = quantise(model, placement, {"b": 2.0, "d": 3.0})
    values = constants(quantised)
    assert values["middle/Conv/bias/integer"].dtype == np.int32
    # Made by a Relu: zero-point 0 and all 255 levels.
    assert values["d/zero"] == 0 and values["d/zero"].dtype == np.uint8
    np.testing.assert_allclose(values["d/scale"], 3.0 / 255, rtol=1e-6)
    last = next(n for n in quantised.graph.node if n.name == "last/Conv")
    assert last.input[0] == "d/dequantised"


def test_weights_are_whole_steps_per_output_channel_and_never_half_a_step_off(
    model: onnx.ModelProto,
) -> None:
    values = constants(quantise(model, place(model, "tensorrt"), {"b": 2.0}))
    integers, scales = values["middle/integer"], values["middle/scales"]
    assert integers.dtype == np.int8 and scales.shape == (6,)
    assert (np.abs(integers.astype(int)).max((1, 2, 3)) == 127).all()
    restored = integers * scales[:, None, None, None]
    error = np.abs(restored - WEIGHTS["middle"]).max((1, 2, 3))
    assert (error <= scales / 2 * (1 + 1e-5)).all()
    assert (values["middle/zeros"] == 0).all()


def test_a_channel_of_zeros_stays_zero(model: onnx.ModelProto) -> None:
    weights = WEIGHTS["middle"].copy()
    weights[2] = 0
    set_constant(model, "middle", weights)
    values = constants(quantise(model, place(model, "tensorrt"), {"b": 2.0}))
    assert (values["middle/integer"][2] == 0).all()
    assert np.isfinite(values["middle/scales"]).all() and (values["middle/scales"] > 0).all()


def test_half_scales_are_numbers_that_fp16_has(model: onnx.ModelProto) -> None:
    quantised = quantise(model, place(model, "tensorrt"), {"b": 1e-4}, half_scales=True)
    values = constants(quantised)
    for name in ("middle/scales", "b/scale"):
        half = values[name].astype(np.float16)
        assert (half.astype(np.float32) == values[name]).all()
        assert (values[name] >= 2.0**-14).all()  # below, FP16 is not normal


@pytest.mark.parametrize("target", TARGETS)
def test_what_comes_out_differs_by_no_more_than_the_steps_allow(
    model: onnx.ModelProto, target: Target
) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (1, 1, 8, 8)).astype(np.float32)
    exact = run(convolutions(), {"x": x}, "b", "d", "e")
    b, d, e = (exact[name] for name in ("b", "d", "e"))
    peaks = {"b": float(b.max()), "d": float(d.max())}
    placement = place(model, target)
    got = run(quantise(model, placement, peaks), {"x": x}, "e")["e"]
    levels = 255 if placement.unsigned else 127
    # Half a step of every input, half a step of every weight, both through the sums of |weights|.
    weights = np.abs(WEIGHTS["middle"])
    steps = weights.max((1, 2, 3)) / 127 / 2
    bound = weights.sum((1, 2, 3)) * peaks["b"] / levels / 2 + steps * 36 * peaks["b"]
    if target == "cpu":
        bound = bound + peaks["d"] / levels / 2
    bound = np.abs(WEIGHTS["last"][:, :, 0, 0]) @ bound
    assert (np.abs(got - e).max((0, 2, 3)) <= bound * 1.01).all()
    assert np.abs(got - e).max() > 0


@pytest.mark.parametrize("target", TARGETS)
def test_the_bias_takes_what_rounding_the_weights_changes_of_the_mean(
    model: onnx.ModelProto, target: Target
) -> None:
    means = np.array([0.1, 5.0, 0.2, 3.0])
    placement = place(model, target)
    values = constants(quantise(model, placement, {"b": 2.0, "d": 3.0}, means={"b": means}))
    scales = values["middle/scales"][:, None, None, None].astype(np.float64)
    lost = (WEIGHTS["middle"] - values["middle/integer"] * scales).sum((2, 3)) @ means
    if target != "cpu":
        bias, tolerance = values["middle/Conv/bias"], 1e-6
    else:
        steps = values["middle/Conv/bias/scales"]
        bias, tolerance = values["middle/Conv/bias/integer"] * steps, steps.max()  # of int32
    np.testing.assert_allclose(bias, WEIGHTS["middle bias"] + lost, rtol=0, atol=tolerance)
    assert np.abs(lost).max() > 10 * tolerance


def test_one_weight_read_twice_is_stored_once() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="embed/MatMul"),
        helper.make_node("MatMul", ["a", "w"], ["y"], name="embed/MatMul_2"),
    ]
    model = model_of(nodes, {"x": (2, 3)}, {"y": (2, 3)}, {"w": np.eye(3, dtype=np.float32)})
    layers = tuple(weight_layers(model))
    placement = Placement(layers, frozenset(), integer_bias=False, unsigned=False, kept={})
    quantised = quantise(model, placement, {"x": 1.0, "a": 1.0})
    assert kinds(quantised).count("DequantizeLinear") == 3  # the weight's, x's and a's
    onnx.checker.check_model(quantised, full_check=True)
    assert [t.data_type for t in quantised.graph.initializer if t.name == "w/integer"] == [
        TensorProto.INT8
    ]
    assert "w" not in constants(quantised)
