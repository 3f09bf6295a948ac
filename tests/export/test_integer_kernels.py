"""Q/DQ written as the integer kernels that ONNX Runtime's optimiser would miss."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from export.small_graphs import MICROSOFT, Array, constants, run, set_constant
from export.small_graphs import kinds as operators
from export.small_graphs import model_of as small_model
from lunar_export.graph.layers import weight_layers
from lunar_export.lowering.integer_kernels import use_integer_kernels
from lunar_export.lowering.integer_maps import integer_maps
from lunar_export.lowering.placement import place
from lunar_export.lowering.qdq import quantise
from onnx import helper

RNG = np.random.default_rng(0)
SIZE = 8


def weight(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def model_of(
    nodes: Sequence[onnx.NodeProto], given: Sequence[int], tensors: Mapping[str, Array]
) -> onnx.ModelProto:
    return small_model(nodes, {"x": given}, {"y": None}, tensors, domain=MICROSOFT)


def convolution(name: str, given: str, result: str) -> onnx.NodeProto:
    return helper.make_node(
        "Conv", [given, name, f"{name} bias"], [result], name=f"{name}/Conv", pads=[1] * 4
    )


@pytest.fixture
def fusion() -> onnx.ModelProto:
    """A DPT fusion block: residual unit, sum, upsampling, between a first and a last layer."""
    tensors = {"scales": np.array([1, 1, 2, 2], np.float32)}
    for name, shape in {
        "first": (4, 1),
        "a": (4, 4),
        "b": (4, 4),
        "out": (4, 4),
        "last": (2, 4),
    }.items():
        tensors[name] = weight(*shape, 3, 3)
        tensors[f"{name} bias"] = weight(shape[0])
    nodes = [
        convolution("first", "x", "level"),
        helper.make_node("Relu", ["level"], ["pre"], name="unit/Relu"),
        convolution("a", "pre", "c1"),
        helper.make_node("Relu", ["c1"], ["r1"], name="unit/Relu_2"),
        convolution("b", "r1", "c2"),
        helper.make_node("Relu", ["c2"], ["r2"], name="unit/Relu_3"),
        helper.make_node("Add", ["c2", "r2"], ["path"], name="unit/Add"),
        convolution("out", "path", "c3"),
        helper.make_node(
            "Resize",
            ["c3", "", "scales"],
            ["fine"],
            name="up/Resize",
            mode="linear",
            coordinate_transformation_mode="align_corners",
        ),
        convolution("last", "fine", "y"),
    ]
    return model_of(nodes, (1, 1, SIZE, SIZE), tensors)


def peaks(model: onnx.ModelProto, x: Array) -> dict[str, float]:
    inputs = {name for node in model.graph.node for name in node.input if name}
    inner = sorted(inputs - constants(model).keys() - {"x"})
    values = {"x": x, **run(model, {"x": x}, *inner)}
    return {name: float(np.abs(value).max()) for name, value in values.items()}


def quantised(model: onnx.ModelProto, x: Array) -> onnx.ModelProto:
    return quantise(model, place(model, "cpu"), peaks(model, x))


def with_kernels(model: onnx.ModelProto) -> onnx.ModelProto:
    changed = copy.deepcopy(model)
    use_integer_kernels(changed)
    return changed


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(operators(model))


def steps(model: onnx.ModelProto, name: str) -> float:
    return float(constants(model)[f"{name}/scale"])


def test_maps_stay_integer_through_relu_sum_and_upsampling(fusion: onnx.ModelProto) -> None:
    layers = [
        layer for layer in weight_layers(fusion) if layer.node in ("a/Conv", "b/Conv", "out/Conv")
    ]
    maps = integer_maps(fusion, layers)
    # c2 is read twice, so it is quantised itself; c1 only through its Relu.
    assert maps.tensors == {"pre", "r1", "c2", "r2", "path", "c3", "fine"}
    assert maps.scale_of == {"fine": "c3"}
    assert maps.lifted == {"out/Conv"}


def test_a_sum_with_something_in_float_stays_float(fusion: onnx.ModelProto) -> None:
    layers = [layer for layer in weight_layers(fusion) if layer.node in ("a/Conv", "out/Conv")]
    assert integer_maps(fusion, layers).tensors == {"pre", "r1", "c3", "fine"}


def test_a_residual_unit_in_integers_gives_what_its_q_dq_gives(fusion: onnx.ModelProto) -> None:
    x = weight(1, 1, SIZE, SIZE)
    before = quantised(fusion, x)
    after = with_kernels(before)
    assert (
        kinds(after)["QLinearLeakyRelu"] == 1
    )  # that of c2; the others go into their convolutions
    want = run(before, {"x": x}, "path/dequantised", optimised=False)["path/dequantised"]
    got = run(after, {"x": x}, "path/dequantised")["path/dequantised"]
    # A rounding of a half may fall otherwise in the second convolution, then in the sum.
    step = steps(before, "path")
    np.testing.assert_allclose(got, want, rtol=0, atol=2.01 * step)
    assert np.abs(got - want).mean() < 0.1 * step


def test_upsampled_integers_are_not_too_low_in_the_mean(fusion: onnx.ModelProto) -> None:
    """ONNX Runtime rounds them down; the half step that this costs is given before."""
    x = weight(1, 1, SIZE, SIZE)
    model = quantised(fusion, x)
    step = steps(model, "c3")
    coarse, fine = "c3/dequantised", "fine/dequantised"
    plain = run(with_kernels(model), {"x": x}, fine)[fine]
    lifted = run(model, {"x": x}, coarse, "fine", optimised=False)
    error = (plain - (lifted["fine"] - 0.5 * step)) / step
    assert abs(error.mean()) < 0.1  # of 1024 roundings, uniform within a step: 0.01
    assert np.abs(error).max() < 1.5


def test_upsampling_works_on_the_stored_integers(fusion: onnx.ModelProto) -> None:
    after = with_kernels(quantised(fusion, weight(1, 1, SIZE, SIZE)))
    resize = next(node for node in after.graph.node if node.op_type == "Resize")
    assert resize.input[0] == "c3/quantised" and resize.output[0] == "fine/quantised"


def test_upsampling_between_two_scales_stays_float(fusion: onnx.ModelProto) -> None:
    model = quantised(fusion, weight(1, 1, SIZE, SIZE))
    set_constant(model, "fine/scale", np.array(7, np.float32))
    resize = next(node for node in with_kernels(model).graph.node if node.op_type == "Resize")
    assert resize.input[0] == "c3/dequantised"


@pytest.fixture
def layers() -> onnx.ModelProto:
    """Two linear layers, GELU's place taken by Tanh, between a first and a last one."""
    tensors = {name: weight(16, 16) for name in ("w0", "w1", "w2", "w3")}
    tensors |= {f"b{i}": weight(16) for i in range(4)}
    nodes = []
    for i, (given, result) in enumerate((("x", "t0"), ("t0", "t1"), ("t1", "t2"), ("t2", "y"))):
        nodes += [
            helper.make_node("MatMul", [given, f"w{i}"], [f"p{i}"], name=f"fc{i}/MatMul"),
            helper.make_node("Add", [f"p{i}", f"b{i}"], [f"s{i}"], name=f"fc{i}/Add"),
            helper.make_node("Tanh", [f"s{i}"], [result], name=f"fc{i}/Tanh"),
        ]
    return model_of(nodes, (2, 5, 16), tensors)


def test_a_linear_layer_is_one_integer_product_with_its_bias(layers: onnx.ModelProto) -> None:
    x = weight(2, 5, 16)
    before = quantised(layers, x)
    after = with_kernels(before)
    assert kinds(after)["MatMulIntegerToFloat"] == kinds(before)["QuantizeLinear"] == 2
    assert kinds(after)["DequantizeLinear"] == 0
    want = run(before, {"x": x}, "s1", "s2", optimised=False)
    got = run(after, {"x": x}, "s1", "s2")
    for name in ("s1", "s2"):
        # The same integers are added up; only the scaling and the bias are float32. A rounding of
        # t1 that falls otherwise is one step of it times a weight.
        np.testing.assert_allclose(got[name], want[name], rtol=1e-5, atol=1e-5)


def test_a_product_in_float_stays_as_it_is(layers: onnx.ModelProto) -> None:
    assert kinds(with_kernels(layers)) == kinds(layers)


def test_the_last_convolution_multiplies_integers_as_exactly_as_float(
    fusion: onnx.ModelProto,
) -> None:
    """With 1×1 weights and channels moved last, as the heads end."""
    tensors = constants(fusion)
    tensors["last"] = weight(2, 4, 1, 1)
    nodes = [*list(fusion.graph.node)[:8]]  # up to the convolution before the upsampling
    nodes += [
        helper.make_node("Relu", ["c3"], ["r3"], name="head/Relu"),
        helper.make_node("Conv", ["r3", "last", "last bias"], ["z"], name="last/Conv"),
        helper.make_node("Transpose", ["z"], ["y"], name="graph/Transpose", perm=[0, 2, 3, 1]),
    ]
    model = model_of(nodes, (1, 1, SIZE, SIZE), tensors)
    x = weight(1, 1, SIZE, SIZE)
    before = quantised(model, x)
    after = with_kernels(before)
    assert kinds(after)["Conv"] == kinds(before)["Conv"] - 1
    assert kinds(after)["MatMulIntegerToFloat"] == 1
    got = run(after, {"x": x}, "r3/quantised")
    # By hand, in double precision, from the integers that it really got.
    maps = got["r3/quantised"] * np.float64(steps(before, "r3"))
    weights = tensors["last"][:, :, 0, 0].astype(np.float64)
    want = np.einsum("oi,nihw->nhwo", weights, maps) + tensors["last bias"]
    # Half a step of the second term, 1/127² of two weights, for each of 4 products.
    allowed = 4 * 0.5 / 127**2 * 2 * np.abs(weights).max() * maps.max()
    np.testing.assert_allclose(got["y"], want, rtol=1e-5, atol=allowed)
    assert np.abs(want).max() > 1000 * allowed
