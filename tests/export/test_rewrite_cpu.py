"""The CPU's rewritten graph computes what the traced one computes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from lunar_export.graph.graph import PairGraph
from lunar_export.graph.graph_edit import GraphEdit
from lunar_export.graph.simplify import simplify
from lunar_export.graph.trace import trace
from lunar_export.judging.parity import FP32_TOLERANCE
from lunar_export.lowering.placement import measured_tensors, place
from lunar_export.lowering.projections import fold_gains, split_projections
from lunar_export.lowering.rewrite_cpu import rewrite_for_cpu, rewritten_for_cpu
from lunar_student import Outputs
from onnx import TensorProto, helper, numpy_helper

ROWS, COLUMNS = 64, 96
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module", params=["S0", "S2"])
def traced(request, small, tmp_path_factory):
    """A convolutional and a ViT student, both views."""
    path = tmp_path_factory.mktemp("traced") / "traced.onnx"
    trace(PairGraph(small(request.param), ROWS, COLUMNS, Outputs.BOTH), ROWS, COLUMNS, path)
    return simplify(path)[0]


def run(model, feeds, *extra):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for name in extra:
        copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(
        copy.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def pair():
    grey = RNG.integers(0, 256, (2, 1, 1, ROWS, COLUMNS), np.uint8)
    return {"left": grey[0], "right": grey[1]}


def kinds(model):
    return Counter(node.op_type for node in model.graph.node)


def assert_close(got, want):
    scale = np.abs(want).mean()
    np.testing.assert_allclose(got, want, rtol=FP32_TOLERANCE, atol=FP32_TOLERANCE * scale)


def test_every_output_stays_within_fp32_rounding(traced):
    feeds = pair()
    want, got = run(traced, feeds), run(rewritten_for_cpu(traced), feeds)
    assert got.keys() == want.keys()
    for name, value in want.items():
        assert_close(got[name], value)


def test_no_attention_stays_decomposed_and_no_head_is_transposed(traced):
    before, after = kinds(traced), kinds(rewritten_for_cpu(traced))
    assert after["MultiHeadAttention"] == before["Softmax"] > 0
    assert after["Softmax"] == after["Neg"] == 0
    assert after["RotaryEmbedding"] > 0
    assert after["SkipLayerNormalization"] > 0
    # What is left carries tokens to maps and back, two dimensions of them at a time.
    perms = {
        tuple(helper.get_attribute_value(node.attribute[0]))
        for node in rewritten_for_cpu(traced).graph.node
        if node.op_type == "Transpose"
    }
    assert perms <= {(0, 2, 1), (0, 2, 3, 1)}


def test_what_is_quantised_of_it_was_measured_on_the_traced_graph(traced):
    rewritten = rewritten_for_cpu(traced)
    wanted = place(rewritten, "cpu").tensors()
    assert set(wanted) <= set(measured_tensors(traced))
    made = {name for node in traced.graph.node for name in node.output}
    sample = [name for name in wanted if name in made][::7]
    feeds = pair()
    want, got = run(traced, feeds, *sample), run(rewritten, feeds, *sample)
    for name in sample:
        assert_close(got[name], want[name])


def test_nodes_keep_the_module_they_are_named_after(traced):
    def modules(model):
        return {n.name.rpartition("/")[0] for n in model.graph.node if n.op_type == "MatMul"}

    products = {
        node.name.rpartition("/")[0]
        for node in traced.graph.node
        if node.op_type == "MatMul" and "attn/" not in node.name
    }
    assert modules(rewritten_for_cpu(traced)) - modules(traced) == set()
    assert products <= modules(rewritten_for_cpu(traced))


def test_the_copy_leaves_the_model_alone_and_rewriting_twice_changes_nothing(traced):
    before = traced.SerializeToString(deterministic=True)
    once = rewritten_for_cpu(traced)
    assert traced.SerializeToString(deterministic=True) == before
    twice = onnx.ModelProto()
    twice.CopyFrom(once)
    rewrite_for_cpu(twice)
    assert kinds(twice) == kinds(once)


def linear(behind, outputs, extra_weights=()):
    """x·W + b of (2, 5, 6) tokens, and nodes behind it."""
    weights = {
        "W": RNG.normal(size=(6, 12)).astype(np.float32),
        "b": RNG.normal(size=12).astype(np.float32),
        **dict(extra_weights),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["p"], name="m/MatMul"),
        helper.make_node("Add", ["p", "b"], ["s"], name="m/Add"),
        *behind,
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 5, 6))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def tokens():
    return {"x": RNG.normal(size=(2, 5, 6)).astype(np.float32)}


def changed(model, how):
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    edit = GraphEdit(copy)
    count = how(edit)
    edit.finish()
    return copy, count


def test_a_gain_goes_into_the_weights_before_it():
    gain = RNG.normal(size=12).astype(np.float32)
    behind = [helper.make_node("Mul", ["s", "gain"], ["y"], name="ls/Mul")]
    model = linear(behind, ["y"], {"gain": gain}.items())
    folded, count = changed(model, fold_gains)
    assert count == 1
    assert kinds(folded) == {"MatMul": 1, "Add": 1}
    feeds = tokens()
    assert_close(run(folded, feeds)["y"], run(model, feeds)["y"])


def test_a_gain_stays_where_something_else_reads_what_it_scales():
    behind = [helper.make_node("Mul", ["s", "gain"], ["y"], name="ls/Mul")]
    model = linear(behind, ["y", "s"], {"gain": np.ones(12, np.float32)}.items())
    assert changed(model, fold_gains)[1] == 0


def test_three_products_give_what_one_gave_split():
    split = helper.make_node("Split", ["s"], ["q", "k", "v"], name="Split", axis=2, num_outputs=3)
    model = linear([split], ["q", "k", "v"])
    parts, count = changed(model, split_projections)
    assert count == 1
    assert kinds(parts) == {"MatMul": 3, "Add": 3}
    feeds = tokens()
    want, got = run(model, feeds), run(parts, feeds)
    for name, value in want.items():
        assert_close(got[name], value)


def test_a_split_along_the_tokens_is_not_one_of_channels():
    split = helper.make_node("Split", ["s"], ["a", "b"], name="Split", axis=0, num_outputs=2)
    assert changed(linear([split], ["a", "b"]), split_projections)[1] == 0


def test_attention_that_is_also_read_from_inside_stays(traced):
    """Scores that are an output of the graph must still be computed."""
    model = onnx.ModelProto()
    model.CopyFrom(traced)
    softmax = next(node for node in model.graph.node if node.op_type == "Softmax")
    model.graph.output.append(
        helper.make_tensor_value_info(softmax.output[0], TensorProto.FLOAT, None)
    )
    rewrite_for_cpu(model)
    assert kinds(model)["Softmax"] == 1
