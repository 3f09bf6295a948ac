"""FP16 in small graphs: what stays FP32, and what comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import pytest
from export.small_graphs import Array, model_of
from export.small_graphs import run as run_model
from lunar_export.graph.layers import Layer
from lunar_export.lowering.emulate import emulate_half
from lunar_export.lowering.half import islands, to_half
from lunar_export.lowering.placement import Placement
from lunar_export.lowering.qdq import quantise
from onnx import TensorProto, helper

RNG = np.random.default_rng(1)
WEIGHTS: dict[str, Array] = {
    "w1": RNG.normal(size=(4, 8)).astype(np.float32),
    "w2": RNG.normal(size=(8, 8)).astype(np.float32),
    "w3": RNG.normal(size=(8, 3)).astype(np.float32),
    "gain": np.ones(8, np.float32),
    "half": np.array(0.5, np.float32),
    "shape": np.array([2, 8], np.int64),
}


def network(
    extra: Sequence[onnx.NodeProto] = (), tensors: Mapping[str, Array] | None = None
) -> onnx.ModelProto:
    """Three layers, a norm between them, an exponential behind."""
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["a"], name="first/MatMul"),
        helper.make_node("LayerNormalization", ["a", "gain"], ["n"], name="norm/Norm"),
        helper.make_node("MatMul", ["n", "w2"], ["b"], name="second/MatMul"),
        helper.make_node("Mul", ["b", "half"], ["c"], name="second/Mul"),
        helper.make_node("Reshape", ["c", "shape"], ["d"], name="second/Reshape"),
        *extra,
        helper.make_node(
            "MatMul", [extra[-1].output[0] if extra else "d", "w3"], ["e"], name="third/MatMul"
        ),
        helper.make_node("Exp", ["e"], ["y"], name="graph/Exp"),
    ]
    return model_of(nodes, {"x": (2, 4)}, {"y": (2, 3)}, WEIGHTS | dict(tensors or {}))


def types(model: onnx.ModelProto) -> dict[str, int]:
    """Tensor -> element type, as ONNX infers it."""
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    values = (*inferred.graph.value_info, *inferred.graph.output)
    return {v.name: v.type.tensor_type.elem_type for v in values}


def run(model: onnx.ModelProto, x: Array) -> Array:
    return run_model(model, {"x": x})["y"]


def test_statistics_the_last_layer_and_what_is_behind_it_stay_fp32() -> None:
    assert islands(network(), {}) == {
        "norm/Norm": "statistics",
        "third/MatMul": "last layer: the pointmap itself",
        "graph/Exp": "behind the last layer",
    }


def test_a_value_near_fp16_s_largest_makes_an_island_of_who_touches_it() -> None:
    found = islands(network(), {"b": 20_000.0})
    assert found["second/MatMul"] == found["second/Mul"] == "values up to 2e+04"
    assert "second/Mul" not in islands(network(), {"b": 10_000.0})


def test_a_constant_that_would_vanish_or_overflow_makes_an_island() -> None:
    for value in (1e-8, 1e5):
        found = islands(network(tensors={"half": np.array(value, np.float32)}), {})
        assert found["second/Mul"] == "a constant that FP16 lacks"


@pytest.mark.parametrize("scores", [30.0, 100.0])
def test_attention_is_fp32_only_where_scores_are_large(scores: float) -> None:
    softmax = helper.make_node("Softmax", ["d"], ["s"], name="attn/Softmax")
    found = islands(network([softmax]), {"d": scores})
    assert ("attn/Softmax" in found) == ("second/Reshape" in found) == (scores > 64)


def test_neighbours_in_one_precision_share_no_cast_and_outputs_are_fp32() -> None:
    model = to_half(network(), islands(network(), {}))
    onnx.checker.check_model(model, full_check=True)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds == [
        "Cast", "MatMul", "Cast", "LayerNormalization", "Cast", "MatMul", "Mul", "Reshape", "Cast",
        "MatMul", "Exp",
    ]  # fmt: skip
    found = types(model)
    assert found["y"] == found["n"] == TensorProto.FLOAT
    assert found["a"] == found["b"] == found["d"] == TensorProto.FLOAT16
    stored = {t.name: t.data_type for t in model.graph.initializer}
    assert stored["w2/half"] == TensorProto.FLOAT16 and "w2" not in stored
    assert stored["w3"] == TensorProto.FLOAT and stored["shape"] == TensorProto.INT64


def test_the_numbers_are_those_of_fp32_to_a_few_steps_of_fp16() -> None:
    x = RNG.normal(size=(2, 4)).astype(np.float32)
    want = run(network(), x)
    got = run(to_half(network(), islands(network(), {})), x)
    # Sums of 8 products of order 1, each rounded to 2^-11, through exp: a few times 2^-11 · 8.
    np.testing.assert_allclose(got, want, rtol=8 * 4 * 2.0**-11)
    assert (got != want).any()


def test_what_overflows_in_fp16_overflows_in_the_emulation() -> None:
    x = np.ones((2, 4), np.float32) * 10
    large = network(tensors={"w1": WEIGHTS["w1"] * 20_000})
    assert not np.isfinite(run(emulate_half(large, {}), x)).all()
    assert np.isfinite(run(emulate_half(large, islands(large, {"a": 5e5})), x)).all()


def test_the_emulation_rounds_every_value_and_constant_that_fp16_would_hold() -> None:
    x = RNG.normal(size=(2, 4)).astype(np.float32)
    keep = islands(network(), {})
    model = emulate_half(network(), keep)
    onnx.checker.check_model(model, full_check=True)
    w1, w2, w3 = (WEIGHTS[name] for name in ("w1", "w2", "w3"))

    def half(values: Array) -> Array:
        return values.astype(np.float16).astype(np.float32)

    a = half(x @ half(w1))
    n = (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + 1e-5)
    d = half(half(n @ half(w2)) * np.float32(0.5))
    # Where float32 sums in another order round to the next FP16 number: one step of 2^-11, few.
    np.testing.assert_allclose(run(model, x), np.exp(d @ w3), rtol=2e-3)


def test_q_and_dq_take_the_precision_of_the_layer_they_are_for() -> None:
    layer = Layer("second/MatMul", "MatMul", "n", "w2", 1, None, "b")
    placement = Placement((layer,), frozenset(), integer_bias=False, unsigned=False, kept={})
    quantised = quantise(network(), placement, {"n": 3.0}, half_scales=True)
    kinds: list[tuple[dict[str, str], int]] = [
        ({}, TensorProto.FLOAT16),
        ({"second/MatMul": ""}, TensorProto.FLOAT),
    ]
    for keep, kind in kinds:
        model = to_half(quantised, islands(network(), {}) | keep)
        onnx.checker.check_model(model, full_check=True)
        found = types(model)
        assert found["n/dequantised"] == found["w2/dequantised"] == kind
        assert found["n/quantised"] == TensorProto.INT8
