"""Our reading of ONNX files against onnx's own, and what it refuses."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest
from lunar_runtime.bundles.bundle import default_bundle_path
from lunar_runtime.bundles.onnx_file import DTYPES, OnnxFile, Place, TensorType, read_onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, helper

from .plane_bundle import plane_model
from .plane_scene import plane_outputs, plane_scene


def type_of(value: onnx.ValueInfoProto) -> TensorType:
    tensor = value.type.tensor_type
    return TensorType(DTYPES[tensor.elem_type], tuple(d.dim_value for d in tensor.shape.dim))


def graphs(graph: GraphProto) -> Iterator[GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs(attribute.g)


def tensors(graph: GraphProto) -> Iterator[TensorProto]:
    for each in graphs(graph):
        yield from each.initializer
        for node in each.node:
            yield from (a.t for a in node.attribute if a.type == AttributeProto.TENSOR)


def by_onnx(model: ModelProto) -> OnnxFile:
    weights = {t.name for t in model.graph.initializer}
    values: Counter[str] = Counter()
    for tensor in tensors(model.graph):
        values[DTYPES[tensor.data_type]] += math.prod(tensor.dims)
    nodes = [node for graph in graphs(model.graph) for node in graph.node]
    return OnnxFile(
        opsets={o.domain: o.version for o in model.opset_import},
        inputs={i.name: type_of(i) for i in model.graph.input if i.name not in weights},
        outputs={o.name: type_of(o) for o in model.graph.output},
        operators=Counter(node.op_type for node in nodes),
        values=values,
        nodes=len(nodes),
    )


def branching_model() -> ModelProto:
    """Constants, and graphs in a node."""

    def branch(name: str) -> GraphProto:
        constant = helper.make_tensor("value", TensorProto.FLOAT16, (2, 3), [1.0] * 6)
        return helper.make_graph(
            [helper.make_node("Constant", [], [name], value=constant)],
            name,
            [],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT16, (2, 3))],
            [helper.make_tensor("inner", TensorProto.INT8, (5,), [1] * 5)],
        )

    node = helper.make_node(
        "If", ["which"], ["out"], then_branch=branch("yes"), else_branch=branch("no")
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("which", TensorProto.BOOL, ())],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT16, (2, 3))],
        [helper.make_tensor("whole", TensorProto.INT64, (4,), [1, -2, 3, 4])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


@pytest.mark.parametrize("source", ["packaged", "plane", "branching"])
def test_it_reads_what_onnx_reads(source: str) -> None:
    if source == "packaged":
        model = onnx.load(default_bundle_path() / "model.onnx")
    elif source == "plane":
        model = plane_model(plane_outputs(plane_scene(), "all"))
    else:
        model = branching_model()
    found, expected = read_onnx(model.SerializeToString()), by_onnx(model)
    weights = [(w.name, w.dtype, w.shape, w.place) for w in found.weights]
    assert weights == [
        (t.name, DTYPES[t.data_type], tuple(t.dims), None) for t in model.graph.initializer
    ]
    found.weights.clear()
    assert found == expected


def test_weights_in_another_file_are_told_with_their_place(tmp_path: Path) -> None:
    model = plane_model(plane_outputs(plane_scene(), "left"))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data")
    found = {w.name: w.place for w in read_onnx((tmp_path / "m.onnx").read_bytes()).weights}
    there = onnx.load(tmp_path / "m.onnx", load_external_data=False).graph.initializer
    for tensor in there:
        parts = {entry.key: entry.value for entry in tensor.external_data}
        expected = (
            Place(parts["location"], int(parts.get("offset", 0)), int(parts["length"]))
            if parts
            else None
        )
        assert found[tensor.name] == expected
    assert any(found.values())


def refers_to_a_file(tensor: TensorProto) -> TensorProto:
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def hide_in_a_constant(model: ModelProto) -> None:
    refers_to_a_file(model.graph.node[0].attribute[0].g.node[0].attribute[0].t)


def hide_in_a_branch(model: ModelProto) -> None:
    refers_to_a_file(model.graph.node[0].attribute[1].g.initializer[0])


def hide_in_a_function(model: ModelProto) -> None:
    tensor = refers_to_a_file(helper.make_tensor("t", TensorProto.FLOAT, (1,), [1.0]))
    node = helper.make_node("Constant", [], ["y"], value=tensor)
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("d", "f", [], ["y"], [node], opset))


def hide_in_a_sparse_weight(model: ModelProto) -> None:
    sparse = model.graph.sparse_initializer.add()
    refers_to_a_file(sparse.values)


def have_a_node_open_a_file(model: ModelProto) -> None:
    model.graph.node.append(helper.make_node("EPContext", [], ["x"], domain="com.microsoft"))


def train(model: ModelProto) -> None:
    model.training_info.add()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (hide_in_a_constant, "inside a node is in another file, '/etc/passwd'"),
        (hide_in_a_branch, "inside a node is in another file"),
        (hide_in_a_function, "inside a node is in another file"),
        (hide_in_a_sparse_weight, "inside a node is in another file"),
        (have_a_node_open_a_file, "EPContext opens files"),
        (train, "graphs for training"),
    ],
)
def test_hidden_references_to_files_are_refused(change: object, reason: str) -> None:
    model = branching_model()
    change(model)  # type: ignore[operator]
    with pytest.raises(ValueError, match=reason):
        read_onnx(model.SerializeToString())


def test_a_second_graph_which_parsers_would_merge_is_refused() -> None:
    content = branching_model().SerializeToString()
    with pytest.raises(ValueError, match="two graphs"):
        read_onnx(content + content)


def test_graphs_nested_without_end_are_refused() -> None:
    model = branching_model()
    for _ in range(12):
        inner = GraphProto()
        inner.CopyFrom(model.graph)
        model.graph.node[0].attribute[0].g.CopyFrom(inner)
    with pytest.raises(ValueError, match="nested too deep"):
        read_onnx(model.SerializeToString())


def test_damaged_files_are_refused_or_read_and_nothing_else() -> None:
    """Cut anywhere, or with bytes exchanged: ValueError is the only error."""
    content = branching_model().SerializeToString()
    source = random.Random(0)
    refused = 0
    for number in range(3000):
        damaged = bytearray(content)
        for _ in range(source.randint(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        spoilt = bytes(damaged[: source.randrange(len(damaged))] if number % 2 else damaged)
        try:
            read_onnx(spoilt)
        except ValueError:
            refused += 1
    assert refused > 1500
