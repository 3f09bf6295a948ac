"""The CPU's rewritten graph computes what the traced one computes."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import onnx
import pytest
from export.conftest import COLUMNS, ROWS, TracedSmall
from export.small_graphs import Array, model_of, run
from export.small_graphs import kinds as operators
from lunar_export.graph.graph_edit import GraphEdit
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_export.lowering.placement import measured_tensors, place
from lunar_export.lowering.projections import fold_gains, split_projections
from lunar_export.lowering.rewrite_cpu import rewrite_for_cpu, rewritten_for_cpu
from onnx import TensorProto, helper

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", params=[("S0", "both"), ("S2", "all")], ids=["S0", "S2"])
def graph(request: pytest.FixtureRequest, traced: TracedSmall) -> onnx.ModelProto:
    """A convolutional and a ViT student, both views."""
    member, outputs = request.param
    return traced(member, outputs, ROWS, COLUMNS).model


def pair() -> dict[str, Array]:
    grey = RNG.integers(0, 256, (2, 1, 1, ROWS, COLUMNS), np.uint8)
    return {"left": grey[0], "right": grey[1]}


def kinds(model: onnx.ModelProto) -> Counter[str]:
    return Counter(operators(model))


def assert_close(got: Array, want: Array) -> None:
    scale = np.abs(want).mean()
    np.testing.assert_allclose(got, want, rtol=FP32_TOLERANCE, atol=FP32_TOLERANCE * scale)


def test_every_output_stays_within_fp32_rounding(graph: onnx.ModelProto) -> None:
    feeds = pair()
    want, got = run(graph, feeds), run(rewritten_for_cpu(graph), feeds)
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert_close(got[name], value)


def test_no_attention_stays_decomposed_and_no_head_is_transposed(graph: onnx.ModelProto) -> None:
    before, after = kinds(graph), kinds(rewritten_for_cpu(graph))
    assert after["MultiHeadAttention"] == before["Softmax"] > 0
    assert after["Softmax"] == after["Neg"] == 0
    assert after["RotaryEmbedding"] > 0
    assert after["SkipLayerNormalization"] > 0
    # What is left carries tokens to maps and back, two dimensions of them at a time.
    perms = {
        tuple(helper.get_attribute_value(node.attribute[0]))
        for node in rewritten_for_cpu(graph).graph.node
        if node.op_type == "Transpose"
    }
    assert perms <= {(0, 2, 1), (0, 2, 3, 1)}


def test_what_is_quantised_of_it_was_measured_on_the_traced_graph(graph: onnx.ModelProto) -> None:
    rewritten = rewritten_for_cpu(graph)
    wanted = place(rewritten, "cpu").tensors()
    assert set(wanted) <= set(measured_tensors(graph))
    made = {name for node in graph.graph.node for name in node.output}
    sample = [name for name in wanted if name in made][::7]
    feeds = pair()
    want, got = run(graph, feeds, *sample), run(rewritten, feeds, *sample)
    for name in sample:
        assert_close(got[name], want[name])


def test_nodes_keep_the_module_they_are_named_after(graph: onnx.ModelProto) -> None:
    def modules(model: onnx.ModelProto) -> set[str]:
        return {n.name.rpartition("/")[0] for n in model.graph.node if n.op_type == "MatMul"}

    products = {
        node.name.rpartition("/")[0]
        for node in graph.graph.node
        if node.op_type == "MatMul" and "attn/" not in node.name
    }
    assert modules(rewritten_for_cpu(graph)) - modules(graph) == set()
    assert products <= modules(rewritten_for_cpu(graph))


def test_the_copy_leaves_the_model_alone_and_rewriting_twice_changes_nothing(
    graph: onnx.ModelProto,
) -> None:
    before = graph.SerializeToString(deterministic=True)
    once = rewritten_for_cpu(graph)
    assert graph.SerializeToString(deterministic=True) == before
    twice = copy.deepcopy(once)
    rewrite_for_cpu(twice)
    assert kinds(twice) == kinds(once)


def linear(
    behind: Sequence[onnx.NodeProto],
    outputs: Sequence[str],
    extra_weights: Mapping[str, Array] | None = None,
) -> onnx.ModelProto:
    """x·W + b of (2, 5, 6) tokens, and nodes behind it."""
    weights = {
        "W": RNG.normal(size=(6, 12)).astype(np.float32),
        "b": RNG.normal(size=12).astype(np.float32),
        **(extra_weights or {}),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["p"], name="m/MatMul"),
        helper.make_node("Add", ["p", "b"], ["s"], name="m/Add"),
        *behind,
    ]
    return model_of(nodes, {"x": (2, 5, 6)}, dict.fromkeys(outputs), weights)


def tokens() -> dict[str, Array]:
    return {"x": RNG.normal(size=(2, 5, 6)).astype(np.float32)}


def changed(model: onnx.ModelProto, how: Callable[[GraphEdit], int]) -> tuple[onnx.ModelProto, int]:
    other = copy.deepcopy(model)
    edit = GraphEdit(other)
    count = how(edit)
    edit.finish()
    return other, count


def test_a_gain_goes_into_the_weights_before_it() -> None:
    gain = RNG.normal(size=12).astype(np.float32)
    behind = [helper.make_node("Mul", ["s", "gain"], ["y"], name="ls/Mul")]
    model = linear(behind, ["y"], {"gain": gain})
    folded, count = changed(model, fold_gains)
    assert count == 1
    assert kinds(folded) == {"MatMul": 1, "Add": 1}
    feeds = tokens()
    assert_close(run(folded, feeds)["y"], run(model, feeds)["y"])


def test_a_gain_stays_where_something_else_reads_what_it_scales() -> None:
    behind = [helper.make_node("Mul", ["s", "gain"], ["y"], name="ls/Mul")]
    model = linear(behind, ["y", "s"], {"gain": np.ones(12, np.float32)})
    assert changed(model, fold_gains)[1] == 0


def test_three_products_give_what_one_gave_split() -> None:
    split = helper.make_node("Split", ["s"], ["q", "k", "v"], name="Split", axis=2, num_outputs=3)
    model = linear([split], ["q", "k", "v"])
    parts, count = changed(model, split_projections)
    assert count == 1
    assert kinds(parts) == {"MatMul": 3, "Add": 3}
    feeds = tokens()
    want, got = run(model, feeds), run(parts, feeds)
    for name, value in want.items():
        assert_close(got[name], value)


def test_a_split_along_the_tokens_is_not_one_of_channels() -> None:
    split = helper.make_node("Split", ["s"], ["a", "b"], name="Split", axis=0, num_outputs=2)
    assert changed(linear([split], ["a", "b"]), split_projections)[1] == 0


def test_attention_that_is_also_read_from_inside_stays(graph: onnx.ModelProto) -> None:
    """Scores that are an output of the graph must still be computed."""
    model = copy.deepcopy(graph)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    model.graph.output.append(
        helper.make_tensor_value_info(softmax.output[0], TensorProto.FLOAT, None)
    )
    rewrite_for_cpu(model)
    assert kinds(model)["Softmax"] == 1
